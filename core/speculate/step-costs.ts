/** Steps of a size that count. Few, because the first ones of a process run code that V8 has yet to optimize. */
const LATEST = 3;

/** Time of a step by its number of tokens, drafting included: medians of the latest ones. */
export class StepCosts {
  readonly #latest: number[][] = []; // [tokens][LATEST or less] ms
  readonly #medians: (number | undefined)[] = []; // [tokens] ms

  /** That of one token, to which all others are compared, is known only after LATEST steps. */
  add(tokens: number, ms: number): void {
    const latest = [...(this.#latest[tokens] ?? []), ms].slice(-LATEST);
    this.#latest[tokens] = latest;
    if (tokens > 1 || latest.length === LATEST) this.#medians[tokens] = median(latest);
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

const learned = new WeakMap<object, WeakMap<object, StepCosts>>(); // [model][what drafts]

/** What generations learned of this model with this drafter so far; new where there was none. */
export function stepCostsOf(model: object, drafter: object): StepCosts {
  const ofModel = learned.get(model) ?? new WeakMap<object, StepCosts>();
  const costs = ofModel.get(drafter) ?? new StepCosts();
  learned.set(model, ofModel.set(drafter, costs));
  return costs;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
