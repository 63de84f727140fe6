/**
 * The transcript on a screen: frozen text goes to the scrollback once and never changes; of the answer that comes, the
 * part that may still change is drawn as the live region. Text that comes is gathered and laid out once a flush.
 */

import type { Version } from '../../../core/conversation.ts';
import type { Pacer } from '../../chat/pacer.ts';
import type { Entry, ScoredToken, Transcript } from '../../chat/transcript.ts';
import { describeError } from '../../output.ts';
import { formatBytes } from '../../sizes.ts';
import { createStore, type Store } from '../../store.ts';
import { terminalText } from '../../terminal-text.ts';
import { SourceStream } from '../text/source-stream.ts';
import type { MarkdownStream } from '../text/stream.ts';
import { sourceLines, wrapLines } from '../text/wrap.ts';
import type { Theme } from '../theme.ts';
import { TokenStream } from './token-stream.ts';

/** A piece of the scrollback. */
export interface Item {
  readonly key: number;
  readonly text: string; // lines, styled and wrapped
}

export interface Shown {
  readonly items: readonly Item[];
  /** Lines of the answer that may still change. */
  readonly live: readonly string[];
}

export interface ScreenTranscriptOptions {
  readonly theme: Theme;
  readonly columns: number;
  readonly pacer: Pacer;
  readonly hyperlinks: boolean;
  readonly debug: boolean;
}

/** What turns text that comes in pieces into lines. */
export interface LineStream {
  /** Lines that will not change any more. */
  push(text: string, token?: ScoredToken): readonly string[];
  /** Lines of the rest as it stands. */
  live(): readonly string[];
  end(): readonly string[];
  resize(columns: number): void;
}

export class ScreenTranscript implements Transcript {
  readonly store: Store<Shown> = createStore<Shown>({ items: [], live: [] });
  readonly #options: ScreenTranscriptOptions;
  #columns: number;
  #markdown: typeof MarkdownStream | undefined;
  #raw = false;
  #colours = false;
  #stream: LineStream | undefined;
  #gathered: { text: string; token?: ScoredToken }[] = [];
  readonly #flushed = () => this.flush();
  #nextKey = 0;

  constructor(options: ScreenTranscriptOptions) {
    this.#options = options;
    this.#columns = options.columns;
  }

  /** Loads what renders Markdown, which is not needed for a first frame; without it the source is shown. */
  async prepare(): Promise<void> {
    this.#markdown = (await import('../text/stream.ts')).MarkdownStream;
  }

  /** How the next answer is shown. */
  setView({ raw, colours }: { raw: boolean; colours: boolean }): void {
    this.#raw = raw;
    this.#colours = colours;
  }

  resize(columns: number): void {
    this.#columns = columns;
    this.#stream?.resize(this.#width);
    if (this.#stream) this.#schedule();
  }

  add(entry: Entry) {
    if (entry.kind === 'answer-text') {
      this.#gathered.push(entry);
      this.#schedule();
      return;
    }
    if (entry.kind === 'answer-begin') {
      this.#stream = this.#newStream();
      return this.#freeze(['']);
    }
    if (entry.kind === 'answer-end') return this.#endAnswer(entry);
    const lines = this.#linesOf(entry);
    this.#lay();
    this.#freeze(lines);
  }

  /** One flush for all that came since the last one. */
  flush(): void {
    this.#options.pacer.cancel(this.#flushed);
    const frozen = this.#lay();
    this.#show(frozen, this.#stream?.live() ?? []);
  }

  /** Columns of text: the last one stays free. */
  get #width(): number {
    return Math.max(10, this.#columns - 1);
  }

  #newStream(): LineStream {
    const { theme, hyperlinks } = this.#options;
    const options = { columns: this.#width, theme, hyperlinks };
    if (this.#colours) return new TokenStream(options);
    return this.#raw || !this.#markdown ? new SourceStream(options) : new this.#markdown(options);
  }

  #schedule(): void {
    this.#options.pacer.soon(this.#flushed);
  }

  /** Gives the stream what was gathered; returns what is frozen by that. */
  #lay(): string[] {
    const gathered = this.#gathered;
    this.#gathered = [];
    this.#stream ??= gathered.length > 0 ? this.#newStream() : undefined;
    if (this.#colours) return gathered.flatMap(({ text, token }) => [...this.#stream!.push(text, token)]);
    return gathered.length > 0 ? [...this.#stream!.push(gathered.map(({ text }) => text).join(''))] : [];
  }

  #endAnswer({ origin, version }: Extract<Entry, { kind: 'answer-end' }>): void {
    this.#options.pacer.cancel(this.#flushed);
    const lines = [...this.#lay(), ...(this.#stream?.end() ?? [])];
    this.#stream = undefined;
    const { theme } = this.#options;
    this.#show(
      [...lines, '', theme.dim(`  ${originLine(origin, theme)}${versionMark(version, theme)}`), ''],
      [],
    );
  }

  #freeze(lines: readonly string[]): void {
    if (lines.length > 0) this.#show(lines, this.store.get().live);
  }

  #show(frozen: readonly string[], live: readonly string[]): void {
    this.store.set(({ items }) => ({
      items: frozen.length > 0 ? [...items, { key: this.#nextKey++, text: frozen.join('\n') }] : items,
      live,
    }));
  }

  #linesOf(entry: Exclude<Entry, { kind: 'answer-text' | 'answer-begin' | 'answer-end' }>): string[] {
    const { theme, debug } = this.#options;
    const { glyphs } = theme;
    switch (entry.kind) {
      case 'model': {
        const { name, type, bytes, backend, device, contextLength } = entry.facts;
        const facts = [type, formatBytes(bytes), `${backend}, ${device}`, `context of ${contextLength}`];
        const line = `${theme.strong(terminalText(name))} ${theme.dim(`${glyphs.dot} ${facts.join(` ${glyphs.dot} `)}`)}`;
        return [...wrapLines(line, this.#width), ''];
      }
      case 'user': {
        const mark = theme.accent(`${glyphs.prompt} `);
        const lines = wrapLines(terminalText(entry.text), this.#width - 2);
        const version = versionMark(entry.version, theme);
        return lines.map(
          (line, i) =>
            `${i === 0 ? mark : '  '}${theme.strong(line)}${i === lines.length - 1 ? theme.dim(version) : ''}`,
        );
      }
      case 'notice':
        return sourceLines(`  ${terminalText(entry.text)}`, this.#width).map((line) => theme.dim(line));
      case 'error':
        return [
          ...describeError(entry.error, { debug }).flatMap((line, i) =>
            wrapLines(
              i === 0
                ? `${theme.bad(`${glyphs.cross} error:`)} ${terminalText(line)}`
                : theme.dim(`  ${terminalText(line)}`),
              this.#width,
            ),
          ),
          '',
        ];
      case 'output':
        return [...entry.lines.flatMap((line) => sourceLines(line, this.#width)), ''];
      case 'cut': {
        const title = ` ${terminalText(entry.title)} `;
        return [
          '',
          theme.dim(
            `${glyphs.rule.repeat(3)}${title}${glyphs.rule.repeat(Math.max(3, this.#width - title.length - 3))}`,
          ),
          '',
        ];
      }
    }
  }
}

/** ` ‹ 2/3 ›`, or nothing. */
export function versionMark(version: Version | undefined, { glyphs }: Theme): string {
  return version ? ` ${glyphs.older} ${version.number}/${version.of} ${glyphs.newer}` : '';
}

function originLine(
  {
    finish,
    completionTokens,
    decodeMs,
    prefillMs,
    promptTokens,
    cachedTokens,
  }: Extract<Entry, { kind: 'answer-end' }>['origin'],
  { glyphs }: Theme,
): string {
  const parts = [completionTokens === 1 ? '1 token' : `${completionTokens} tokens`];
  if (decodeMs > 0) parts.push(`${((1000 * (completionTokens - 1)) / decodeMs).toFixed(1)} tok/s`);
  const read = promptTokens - cachedTokens;
  if (prefillMs > 0) parts.push(`read ${read} in ${(prefillMs / 1000).toFixed(2)} s`);
  const endings = {
    aborted: 'stopped',
    length: 'cut off by the limit',
    error: 'failed',
    'broken-off': 'broken off',
    stop: '',
  };
  if (endings[finish]) parts.push(endings[finish]);
  return parts.join(` ${glyphs.dot} `);
}
