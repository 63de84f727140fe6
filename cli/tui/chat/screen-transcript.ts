/**
 * The transcript on a screen. Final lines go to the scrollback once and never change; lines of the present answer that
 * may still change are drawn in the live region. Text is collected and laid out once per flush.
 */
import type { Pacer } from '../../chat/pacer.ts';
import type { Entry, ScoredToken, Transcript } from '../../chat/transcript.ts';
import { createStore, type Store } from '../../store.ts';
import { SourceStream } from '../../terminal/text/source-stream.ts';
import type { MarkdownStream } from '../../terminal/text/stream.ts';
import type { Theme } from '../../terminal/theme.ts';
import { besideMargin, entryLines, MARGIN, originLines } from './entry-lines.ts';
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
  /** Prints final lines. */
  readonly print: (lines: readonly string[]) => void;
}

/** Lays out text that arrives in pieces. */
export interface LineStream {
  /** Returns lines that are now final. */
  push(text: string, token?: ScoredToken): readonly string[];
  /** Lines of the remaining text, which may still change. */
  live(): readonly string[];
  end(): readonly string[];
  resize(columns: number): void;
}

/** Entries that an empty line goes before. */
const APART: ReadonlySet<Entry['kind']> = new Set(['user', 'command', 'cut']);

export class ScreenTranscript implements Transcript {
  /** Lines of the answer that may still change. */
  readonly live: Store<readonly string[]> = createStore<readonly string[]>([]);
  readonly #options: ScreenTranscriptOptions;
  #columns: number;
  #markdown: typeof MarkdownStream | undefined;
  #stream: LineStream | undefined;
  #collected: { text: string; token?: ScoredToken }[] = [];
  readonly #flushed = () => this.flush();
  #begun = false; // whether the first line of the present answer is printed
  #hasPrinted = false;
  #endsEmpty = false; // whether the last printed line is empty

  constructor(options: ScreenTranscriptOptions) {
    this.#options = options;
    this.#columns = options.columns;
  }

  /** Loads the Markdown renderer, which the first frame does not need. Until then answers show their source. */
  async prepare(): Promise<void> {
    this.#markdown = (await import('../../terminal/text/stream.ts')).MarkdownStream;
  }

  resize(columns: number): void {
    this.#columns = columns;
    this.#stream?.resize(this.#width - MARGIN);
    if (this.#stream) this.#schedule();
  }

  add(entry: Entry) {
    if (entry.kind === 'answer-text') {
      this.#collected.push(entry);
      this.#schedule();
      return;
    }
    if (entry.kind === 'answer-begin') {
      this.#stream = this.#newStream();
      this.#begun = false;
      return this.#printFinal([], true);
    }
    if (entry.kind === 'answer-end') return this.#endAnswer(entry);
    const options = { ...this.#options, columns: this.#width };
    const apart = APART.has(entry.kind) || (entry.kind === 'model' && this.#hasPrinted); // not from percept's name
    this.#printFinal([...this.#layOut(), ...entryLines(entry, options)], apart);
  }

  /** Lays out all text since the last flush. */
  flush(): void {
    this.#options.pacer.cancel(this.#flushed);
    const final = this.#layOut();
    this.#show(final, this.#answerLines(this.#stream?.live() ?? []));
  }

  /** Columns of text with its margin. The last column stays free. */
  get #width(): number {
    return Math.max(10, this.#columns - 1);
  }

  #newStream(): LineStream {
    const { theme, hyperlinks } = this.#options;
    const options = { columns: this.#width - MARGIN, theme, hyperlinks };
    const { raw, colours } = this.#options.look();
    if (colours) return new TokenStream(options);
    return raw || !this.#markdown ? new SourceStream(options) : new this.#markdown(options);
  }

  #schedule(): void {
    this.#options.pacer.soon(this.#flushed);
  }

  /** Lays out the collected text and returns the lines that are now final. */
  #layOut(): string[] {
    const collected = this.#collected;
    this.#collected = [];
    this.#stream ??= collected.length > 0 ? this.#newStream() : undefined;
    if (this.#options.look().colours)
      return this.#printed(collected.flatMap(({ text, token }) => [...this.#stream!.push(text, token)]));
    if (collected.length === 0) return [];
    return this.#printed(this.#stream!.push(collected.map(({ text }) => text).join('')));
  }

  /** Lines of the answer that are final now. */
  #printed(lines: readonly string[]): string[] {
    const beside = this.#answerLines(lines);
    this.#begun ||= lines.length > 0;
    return beside;
  }

  /** A mark stands before the first line of an answer. */
  #answerLines(lines: readonly string[]): string[] {
    const { theme } = this.#options;
    return besideMargin(lines, this.#begun ? undefined : theme.dim(theme.glyphs.answer));
  }

  #endAnswer({ origin, version }: Extract<Entry, { kind: 'answer-end' }>): void {
    this.#options.pacer.cancel(this.#flushed);
    const lines = [...this.#layOut(), ...this.#printed(this.#stream?.end() ?? [])];
    this.#stream = undefined;
    const figures = originLines(origin, version, { theme: this.#options.theme, columns: this.#width });
    this.#show([...lines, '', ...figures], []);
  }

  /** @param apart print an empty line first, unless the last line is empty */
  #printFinal(lines: readonly string[], apart: boolean): void {
    const gap = apart && !this.#endsEmpty ? [''] : [];
    if (gap.length + lines.length > 0) this.#show([...gap, ...lines], this.live.get());
  }

  #show(final: readonly string[], live: readonly string[]): void {
    if (final.length > 0) {
      this.#hasPrinted = true;
      this.#endsEmpty = final.at(-1) === '';
      this.#options.print(final);
    }
    if (live.length > 0 || this.live.get().length > 0) this.live.set(() => live);
  }
}
