/**
 * How many tokens to draft, so that it pays: learned while decoding, from what steps cost and how often drafts hold.
 *
 * A step over n drafted tokens gives 1 + r + r^2 + ... + r^n tokens where each holds with rate r after the one
 * before it, in the time of n + 1 tokens. The n of most tokens a second is chosen, 0 being plain decoding. Where
 * nothing seems to pay, one token is drafted now and then to find out whether that is still so.
 */

/** Plain steps to time before the first draft. */
const PLAIN_STEPS = 3;
/** Steps with a draft after which one is plain, lest the comparison grow old. */
const PLAIN_AFTER = 32;
/** Least gain that counts: below it the errors of the estimates decide. */
const MARGIN = 1.05;
/** Share of the time that may be lost by finding out. */
const ALLOWANCE = 0.02;

/** What came of a step. */
export interface Outcome {
  readonly kind?: number; // of the draft
  readonly drafted: number; // tokens, 0 for a plain step
  readonly accepted: number; // of them
  readonly ms: number; // drafting included
}

export class DraftLength {
  readonly #always: boolean;
  readonly #costs = new StepCosts();
  readonly #rates = new Map<number, HoldRate>(); // by kind
  #sincePlain = 0; // steps
  #debt = 0; // ms lost by drafts and not made good since, by gains or the allowance
  #total = 0; // ms of all steps
  #saved = 0; // ms that plain decoding would have taken longer

  /** @param always draft as much as allowed, once plain steps are timed, whether or not that pays */
  constructor(always = false) {
    this.#always = always;
  }

  /** Tokens to draft, 0 to `max`, where a draft of this kind (Drafter.kind) can be had. */
  choose(kind: number, max: number): number {
    const plain = this.#costs.of(1);
    if (plain === undefined || max < 1 || this.#sincePlain >= PLAIN_AFTER) return 0;
    if (this.#always) return max;
    const rate = this.#rates.get(kind)?.value ?? UNKNOWN_RATE;
    let [best, bestSpeed] = [0, MARGIN / plain]; // speed in tokens/ms
    let [tokens, chance] = [1, 1];
    for (let n = 1; n <= max; n++) {
      chance *= rate;
      tokens += chance;
      const speed = tokens / this.#costs.of(n + 1)!;
      if (speed > bestSpeed) [best, bestSpeed] = [n, speed];
    }
    return best > 0 || this.#debt > 0 ? best : 1;
  }

  observe({ kind = 0, drafted, accepted, ms }: Outcome): void {
    const plain = this.#costs.of(1);
    this.#costs.add(1 + drafted, ms);
    this.#sincePlain = drafted > 0 ? this.#sincePlain + 1 : 0;
    this.#total += ms;
    this.#debt -= ALLOWANCE * ms;
    if (drafted > 0 && plain !== undefined) {
      const saved = (1 + accepted) * plain - ms;
      this.#saved += saved;
      this.#debt -= saved;
      const rate = this.#rates.get(kind) ?? new HoldRate();
      this.#rates.set(kind, rate);
      rate.observe(accepted, drafted);
    }
    this.#debt = Math.max(0, this.#debt);
  }

  /** Estimated time of plain decoding over the time taken; undefined before any step. */
  get gain(): number | undefined {
    return this.#total > 0 ? (this.#total + this.#saved) / this.#total : undefined;
  }
}

/** Time of a step by its number of tokens: medians of the latest ones. */
class StepCosts {
  readonly #latest: number[][] = []; // [tokens][up to 5] ms
  readonly #medians: (number | undefined)[] = []; // [tokens] ms

  add(tokens: number, ms: number): void {
    const latest = [...(this.#latest[tokens] ?? []), ms].slice(-5);
    this.#latest[tokens] = latest;
    if (tokens > 1 || latest.length >= PLAIN_STEPS) this.#medians[tokens] = median(latest);
  }

  /**
   * Measured, or on the line between the neighbours measured, or on that from one token through the largest
   * measured; with one token alone known, as dear as so many plain steps. Undefined while that is not known.
   */
  of(tokens: number): number | undefined {
    const known = this.#medians[tokens];
    const plain = this.#medians[1];
    if (known !== undefined || plain === undefined) return known;
    const below = this.#medians.findLastIndex((ms, T) => ms !== undefined && T < tokens);
    const above = this.#medians.findIndex((ms, T) => ms !== undefined && T > tokens);
    if (above > 0) return this.#line(below, above, tokens);
    return below > 1 ? this.#line(1, below, tokens) : plain * tokens;
  }

  #line(from: number, to: number, tokens: number): number {
    const [start, end] = [this.#medians[from]!, this.#medians[to]!];
    return start + ((end - start) * (tokens - from)) / (to - from);
  }
}

/** How often a drafted token holds where those before it did: over about the latest 16 that were put to the test. */
class HoldRate {
  #held = 0;
  #tested = 0;

  /** With one token that held and one that did not added, so that few observations do not make it 0 or 1. */
  get value(): number {
    return (this.#held + 1) / (this.#tested + 2);
  }

  observe(accepted: number, drafted: number): void {
    const tested = Math.min(accepted + 1, drafted); // the first that fails ends the test
    const kept = Math.max(0, 1 - tested / 16);
    this.#held = kept * this.#held + accepted;
    this.#tested = kept * this.#tested + tested;
  }
}

const UNKNOWN_RATE = new HoldRate().value;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
