export interface Timings {
  readonly prefillMs: number;
  readonly prefillTokensPerSecond: number; // computed tokens; cached ones do not count
  readonly decodeMs: number; // from the first token to the last
  readonly decodeTokensPerSecond: number; // without the first token
  readonly firstTokenMs: number; // from the call to the first token; 0 without one
}

/** Measures the times of one generation. It starts on construction. */
export class Clock {
  readonly #start = performance.now();
  #prefillEnd = 0;
  #first = 0; // time of the first token
  #last = 0;

  prefilled(): void {
    this.#prefillEnd = performance.now();
  }

  sampled(): void {
    this.#last = performance.now();
    this.#first ||= this.#last;
  }

  timings(computedTokens: number, generatedTokens: number): Timings {
    const prefillMs = this.#prefillEnd - this.#start;
    const decodeMs = this.#last - this.#first;
    return {
      prefillMs,
      prefillTokensPerSecond: perSecond(computedTokens, prefillMs),
      decodeMs,
      decodeTokensPerSecond: perSecond(generatedTokens - 1, decodeMs),
      firstTokenMs: generatedTokens === 0 ? 0 : this.#first - this.#start,
    };
  }
}

function perSecond(count: number, ms: number): number {
  return ms > 0 ? (1000 * count) / ms : 0;
}
