/**
 * How many tokens to draft, so that it pays: learned while decoding, from what steps cost and how often drafts hold.
 *
 * A step over n drafted tokens gives 1 + r + r^2 + ... + r^n tokens where each holds with rate r after the one
 * before it, in the time of n + 1 tokens. The n of most tokens a second is chosen, 0 being plain decoding. Where
 * nothing seems to pay, one token is drafted now and then to find out whether that is still so.
 */
import { StepCosts } from './step-costs.ts';

/** Steps with a draft after which one is plain, lest the comparison grow old: few at first, then twice as many. */
const PLAIN_AFTER = { first: 2, most: 32 };
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
  /** The drafter had more to do than it will have again, such as reading the prompt: not typical of its steps. */
  readonly isFirst?: boolean;
}

export class DraftLength {
  readonly #always: boolean;
  readonly #costs: StepCosts;
  readonly #rates = new Map<number, HoldRate>(); // by kind
  #sincePlain = Infinity; // steps with a draft; the first step is plain
  #plainAfter = PLAIN_AFTER.first / 2;
  #debt = 0; // ms lost by drafts and not made good since, by gains or the allowance
  #ms = 0; // of all steps
  #plainMs = 0; // of those without a draft
  #tokens = 0; // that steps with a draft gave

  /**
   * @param costs learned before, if any, and learned on
   * @param always draft as much as allowed, once plain steps are timed, whether or not that pays
   */
  constructor(costs = new StepCosts(), always = false) {
    this.#costs = costs;
    this.#always = always;
  }

  /** Tokens to draft, 0 to `max`, where a draft of this kind (Drafter.kind) can be had. */
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
    if (drafted === 0) this.#takePlain(ms);
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

  /** Estimated time of plain decoding over the time taken; undefined before plain steps are timed. */
  get gain(): number | undefined {
    const plain = this.#costs.of(1);
    return plain && this.#ms > 0 ? (this.#plainMs + this.#tokens * plain) / this.#ms : undefined;
  }

  #takePlain(ms: number): void {
    this.#plainMs += ms;
    if (this.#sincePlain >= this.#plainAfter) {
      this.#plainAfter = Math.min(PLAIN_AFTER.most, 2 * this.#plainAfter);
    }
    this.#sincePlain = 0;
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
