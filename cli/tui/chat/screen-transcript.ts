/**
 * The transcript on a screen: frozen text goes to the scrollback once and never changes; of the answer that comes, the
 * part that may still change is drawn as the live region. Text that comes is gathered and laid out once a flush.
 */
import type { Pacer } from '../../chat/pacer.ts';
import type { Entry, ScoredToken, Transcript } from '../../chat/transcript.ts';
import { createStore, type Store } from '../../store.ts';
import { SourceStream } from '../../terminal/text/source-stream.ts';
import type { MarkdownStream } from '../../terminal/text/stream.ts';
import type { Theme } from '../../terminal/theme.ts';
import { entryLines, originLine } from './entry-lines.ts';
import { TokenStream } from './token-stream.ts';

export interface AnswerLook {
  /** Markdown source instead of rendered Markdown. */
  readonly raw: boolean;
  /** Tokens coloured by probability, which shows the source too. */
  readonly colours: boolean;
}

export interface ScreenTranscriptOptions {
  readonly theme: Theme;
  readonly columns: number;
  readonly pacer: Pacer;
  readonly hyperlinks: boolean;
  readonly debug: boolean;
  /** How the next answer is shown. */
  readonly look: () => AnswerLook;
  /** Takes lines that will not change any more. */
  readonly print: (lines: readonly string[]) => void;
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

/** Entries that begin something: an empty line goes before them. */
const APART: ReadonlySet<Entry['kind']> = new Set(['user', 'command', 'cut']);

export class ScreenTranscript implements Transcript {
  /** Lines of the answer that may still change. */
  readonly live: Store<readonly string[]> = createStore<readonly string[]>([]);
  readonly #options: ScreenTranscriptOptions;
  #columns: number;
  #markdown: typeof MarkdownStream | undefined;
  #stream: LineStream | undefined;
  #gathered: { text: string; token?: ScoredToken }[] = [];
  readonly #flushed = () => this.flush();
  #endsEmpty = false; // the last line that was frozen

  constructor(options: ScreenTranscriptOptions) {
    this.#options = options;
    this.#columns = options.columns;
  }

  /** Loads what renders Markdown, which is not needed for a first frame; without it the source is shown. */
  async prepare(): Promise<void> {
    this.#markdown = (await import('../../terminal/text/stream.ts')).MarkdownStream;
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
      return this.#freeze([], true);
    }
    if (entry.kind === 'answer-end') return this.#endAnswer(entry);
    const options = { ...this.#options, columns: this.#width };
    const apart = APART.has(entry.kind);
    this.#freeze([...this.#lay(), ...entryLines(entry, options)], apart);
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
    const { raw, colours } = this.#options.look();
    if (colours) return new TokenStream(options);
    return raw || !this.#markdown ? new SourceStream(options) : new this.#markdown(options);
  }

  #schedule(): void {
    this.#options.pacer.soon(this.#flushed);
  }

  /** Gives the stream what was gathered; returns what is frozen by that. */
  #lay(): string[] {
    const gathered = this.#gathered;
    this.#gathered = [];
    this.#stream ??= gathered.length > 0 ? this.#newStream() : undefined;
    if (this.#options.look().colours)
      return gathered.flatMap(({ text, token }) => [...this.#stream!.push(text, token)]);
    return gathered.length > 0 ? [...this.#stream!.push(gathered.map(({ text }) => text).join(''))] : [];
  }

  #endAnswer({ origin, version }: Extract<Entry, { kind: 'answer-end' }>): void {
    this.#options.pacer.cancel(this.#flushed);
    const lines = [...this.#lay(), ...(this.#stream?.end() ?? [])];
    this.#stream = undefined;
    this.#show([...lines, '', originLine(origin, version, this.#options.theme)], []);
  }

  /** @param apart an empty line goes before them, unless there is one */
  #freeze(lines: readonly string[], apart: boolean): void {
    const gap = apart && !this.#endsEmpty ? [''] : [];
    if (gap.length + lines.length > 0) this.#show([...gap, ...lines], this.live.get());
  }

  #show(frozen: readonly string[], live: readonly string[]): void {
    if (frozen.length > 0) {
      this.#endsEmpty = frozen.at(-1) === '';
      this.#options.print(frozen);
    }
    if (live.length > 0 || this.live.get().length > 0) this.live.set(() => live);
  }
}
