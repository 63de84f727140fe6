/** Turns the token ids of an answer into text as they arrive, and finds its end. */

import { StopStrings } from '../stop-strings.ts';
import { StreamingDecoder } from '../tokenizer/streaming-decoder.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { Repetition } from './repetition.ts';

/** stop: an end token, a stop string or a repetition; length: maxTokens were generated. */
export type FinishReason = 'stop' | 'length' | 'aborted';

export class Answer {
  readonly ids: number[] = [];
  readonly #endIds: ReadonlySet<number>;
  readonly #limit: number;
  readonly #decoder: StreamingDecoder;
  readonly #stops: StopStrings;
  readonly #repetition: Repetition | undefined;
  #repeats = false;
  #text = '';
  #finish: FinishReason | undefined;

  /**
   * Throws UserError for an empty stop string.
   * @param limit most tokens
   * @param endsRepeats whether an answer that repeats itself ends
   */
  constructor(
    tokenizer: Tokenizer,
    promptIds: readonly number[],
    { limit, stop = [], endsRepeats }: { limit: number; stop?: readonly string[]; endsRepeats: boolean },
  ) {
    this.#endIds = tokenizer.endIds;
    this.#limit = limit;
    this.#decoder = new StreamingDecoder(tokenizer, {
      continues: promptIds.some((id) => !tokenizer.isControl(id)),
    });
    this.#stops = new StopStrings(stop);
    this.#repetition = endsRepeats ? new Repetition() : undefined;
  }

  /** The text so far, without the end token, the stop string and the text after it. */
  get text(): string {
    return this.#text;
  }

  /** Why the answer ended; undefined until it ends. */
  get finish(): FinishReason | undefined {
    return this.#finish;
  }

  get stopString(): string | undefined {
    return this.#stops.found;
  }

  /** Whether it ended because it repeats itself. */
  get repeats(): boolean {
    return this.#repeats;
  }

  /** Adds a token and returns the text that can be shown now. */
  push(id: number): string {
    this.ids.push(id);
    const isEnd = this.#endIds.has(id);
    const isLast = this.ids.length === this.#limit;
    this.#repeats = !isEnd && this.#repetition?.push(this.ids) === true;
    let piece = isEnd ? '' : this.#stops.push(this.#decoder.push(id));
    if (isEnd || isLast || this.#repeats) piece += this.#stops.push(this.#decoder.end()) + this.#stops.end();
    if (isEnd || this.stopString !== undefined || this.#repeats) this.#finish = 'stop';
    else if (isLast) this.#finish = 'length';
    this.#text += piece;
    return piece;
  }
}
