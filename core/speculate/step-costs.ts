/** Latest steps of a size that count. Few, because the first steps of a process run code that is not optimized yet. */
const LATEST = 3;

/** Time of a step by its number of tokens, including drafting: medians of the latest steps. */
export class StepCosts {
  readonly #latest: number[][] = []; // [tokens][LATEST or less] ms
  readonly #medians: (number | undefined)[] = []; // [tokens] ms

  /** The time of one token is known only after LATEST steps, because all other times are compared with it. */
  add(tokens: number, ms: number): void {
    const latest = [...(this.#latest[tokens] ?? []), ms].slice(-LATEST);
    this.#latest[tokens] = latest;
    if (tokens > 1 || latest.length === LATEST) this.#medians[tokens] = median(latest);
  }

  /**
   * Time of a step of `tokens` tokens: measured, or interpolated between the measured neighbours, or extrapolated from
   * one token through the largest measured size; with one token alone measured, `tokens` plain steps. Undefined until
   * that is measured.
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

const learned = new WeakMap<object, WeakMap<object, StepCosts>>(); // [model][drafter]

/** Costs that earlier generations learned of this model with this drafter; new if there are none. */
export function stepCostsOf(model: object, drafter: object): StepCosts {
  const ofModel = learned.get(model) ?? new WeakMap<object, StepCosts>();
  const costs = ofModel.get(drafter) ?? new StepCosts();
  learned.set(model, ofModel.set(drafter, costs));
  return costs;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
