/**
 * Number of tokens to draft, learned while decoding from the cost of steps and the rate at which drafted tokens hold.
 *
 * If a drafted token holds with rate r once the ones before it held, a step over n drafted tokens gives
 * 1 + r + r^2 + ... + r^n tokens, in the time of a step of n + 1 tokens. The n with the most tokens a second is chosen;
 * 0 is plain decoding. While no n pays, one token is drafted now and then to check whether that is still so.
 */
import { StepCosts } from './step-costs.ts';

/** Steps with a draft between two plain ones, which keep the comparison fresh: few at first, then twice as many. */
const PLAIN_AFTER = { first: 2, most: 32 };
/** Least gain that counts: smaller gains are within the error of the estimates. */
const MARGIN = 1.05;
/** Share of the time that exploring may cost. */
const ALLOWANCE = 0.02;

/** Result of a step. */
export interface Outcome {
  readonly kind?: number; // of the draft
  readonly drafted: number; // tokens, 0 for a plain step
  readonly accepted: number; // of them
  readonly ms: number; // includes drafting
  /** The drafter did work that it will not repeat, such as reading the prompt: its time is not typical. */
  readonly isFirst?: boolean;
}

export class DraftLength {
  readonly #always: boolean;
  readonly #costs: StepCosts;
  readonly #rates = new Map<number, HoldRate>(); // by kind
  #sincePlain = Infinity; // steps with a draft since a plain one; the first step is plain
  #plainAfter = PLAIN_AFTER.first / 2;
  #debt = 0; // ms that drafts lost and neither gains nor the allowance have made up for
  #ms = 0; // of all steps
  #plainMs = 0; // of plain steps
  #tokens = 0; // from steps with a draft

  /**
   * @param costs learned earlier, if any; continues to learn
   * @param always once plain steps are timed, draft as much as allowed, whether or not it pays
   */
  constructor(costs = new StepCosts(), always = false) {
    this.#costs = costs;
    this.#always = always;
  }

  /** Number of tokens to draft, 0 to `max`, for a draft of this kind (Drafter.kind). */
  choose(kind: number, max: number): number {
    const plain = this.#costs.of(1);
    if (plain === undefined || max < 1 || this.#sincePlain >= this.#plainAfter) return 0;
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

  observe({ kind = 0, drafted, accepted, ms, isFirst = false }: Outcome): void {
    const plain = this.#costs.of(1);
    this.#ms += ms;
    if (drafted === 0) this.#observePlain(ms);
    else {
      this.#sincePlain++;
      this.#tokens += 1 + accepted;
      const rate = this.#rates.get(kind) ?? new HoldRate();
      this.#rates.set(kind, rate);
      rate.observe(accepted, drafted);
    }
    if (isFirst) return;
    this.#costs.add(1 + drafted, ms);
    const saved = drafted > 0 && plain !== undefined ? (1 + accepted) * plain - ms : 0;
    this.#debt = Math.max(0, this.#debt - saved - ALLOWANCE * ms);
  }

  /** Estimated time of plain decoding, divided by the time taken; undefined before plain steps are timed. */
  get gain(): number | undefined {
    const plain = this.#costs.of(1);
    return plain && this.#ms > 0 ? (this.#plainMs + this.#tokens * plain) / this.#ms : undefined;
  }

  #observePlain(ms: number): void {
    this.#plainMs += ms;
    if (this.#sincePlain >= this.#plainAfter) {
      this.#plainAfter = Math.min(PLAIN_AFTER.most, 2 * this.#plainAfter);
    }
    this.#sincePlain = 0;
  }
}

/** Rate at which a drafted token holds once those before it held, over about the latest 16 tested. */
class HoldRate {
  #held = 0;
  #tested = 0;

  /** Counts one more token that held and one that did not, so that few observations do not make it 0 or 1. */
  get value(): number {
    return (this.#held + 1) / (this.#tested + 2);
  }

  observe(accepted: number, drafted: number): void {
    const tested = Math.min(accepted + 1, drafted); // the test ends at the first token that fails
    const kept = Math.max(0, 1 - tested / 16);
    this.#held = kept * this.#held + accepted;
    this.#tested = kept * this.#tested + tested;
  }
}

const UNKNOWN_RATE = new HoldRate().value;
