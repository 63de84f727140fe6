import type { Speed } from './chat-state.ts';

const WINDOW_MS = 2000;
const SAMPLE_MS = 500;
/** Most samples that are kept. */
export const SAMPLES = 8;

/** Measures tokens per second while they are generated. */
export class Speedometer {
  readonly #times: number[] = []; // of tokens within the window, ms
  readonly #recent: number[] = [];
  #tokens = 0;
  #first = 0;
  #last = 0;
  #nextSample = 0;

  /** @param now ms */
  token(now: number): void {
    if (this.#tokens++ === 0) {
      this.#first = now;
      this.#nextSample = now + SAMPLE_MS;
    }
    this.#last = now;
    this.#times.push(now);
    while (now - this.#times[0]! > WINDOW_MS) this.#times.shift();
    if (now < this.#nextSample) return;
    this.#nextSample = now + SAMPLE_MS;
    this.#recent.push(this.#rate());
    if (this.#recent.length > SAMPLES) this.#recent.shift();
  }

  get speed(): Speed {
    const seconds = (this.#last - this.#first) / 1000;
    return {
      tokens: this.#tokens,
      seconds,
      tokensPerSecond: this.#rate(),
      recent: [...this.#recent],
    };
  }

  #rate(): number {
    const from = this.#times[0];
    const ms = from === undefined ? 0 : this.#last - from;
    return ms > 0 ? (1000 * (this.#times.length - 1)) / ms : 0;
  }
}
