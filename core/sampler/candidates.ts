import { argmax, bringLargestForward, type Keys, largest, precedes } from '../../backends/logits.ts';
import { UserError } from '../../errors.ts';

/**
 * The candidates for the next token.
 *
 * `logits` and `probabilities` are indexed by token id [V]; the first `length` entries of `ids` list the candidates. At
 * the start all tokens are candidates and `ids` is not written: the first cut usually leaves a few dozen of V. Editing
 * the logit of a token that is not a candidate has no effect.
 *
 * Order: greater logit first, lower id first among equals, so that nothing depends on how a sort breaks ties.
 */
export class Candidates {
  logits = new Float32Array(0); // [V] a copy; change one with edit(), or all in a way that keeps their order
  probabilities = new Float64Array(0); // [V] of the candidates, from the last softmax()
  ids = new Int32Array(0); // [V], only the first `length` are valid; call list() before reading
  length = 0;
  #all = true; // all ids are candidates and `ids` is not written
  #sorted = false; // ids[0..length) is sorted

  /** Starts over: all tokens of `logits` [V] are candidates, except those at -Infinity. */
  load(logits: Float32Array): void {
    if (this.logits.length !== logits.length) {
      this.logits = new Float32Array(logits.length);
      this.probabilities = new Float64Array(logits.length);
      this.ids = new Int32Array(logits.length);
    }
    this.logits.set(logits);
    this.length = logits.length;
    this.#all = true;
    this.#sorted = false;
  }

  /** Starts over with the largest logits of V, sorted: ids and logits of equal length. */
  loadTop(ids: Int32Array, logits: Float32Array, V: number): void {
    if (this.logits.length !== V) {
      this.logits = new Float32Array(V);
      this.probabilities = new Float64Array(V);
      this.ids = new Int32Array(V);
    }
    let n = 0;
    ids.forEach((id, i) => {
      const logit = logits[i]!;
      if (logit === -Infinity) return;
      if (!(logit < Infinity)) throw notFinite(id, logit);
      this.ids[n++] = id;
      this.logits[id] = logit;
    });
    this.length = n;
    this.#all = false;
    this.#sorted = true;
  }

  /** Changes one logit. */
  edit(id: number, logit: number): void {
    this.logits[id] = logit;
    this.#sorted = false;
  }

  /** Candidate ids; only the first `length` are valid. */
  list(): Int32Array {
    if (!this.#all) return this.ids;
    let n = 0;
    for (let id = 0; id < this.logits.length; id++) {
      const logit = this.logits[id]!;
      if (logit === -Infinity) continue;
      if (!(logit < Infinity)) throw notFinite(id, logit);
      this.ids[n++] = id;
    }
    this.length = n;
    this.#all = false;
    return this.ids;
  }

  /** Id of the greatest logit. Throws UserError if no token is left. */
  best(): number {
    const { ids, logits, length } = this;
    const best = this.#all ? argmax(logits) : firstOf(ids, length, logits);
    const logit = logits[best] ?? -Infinity;
    if (logit === -Infinity) throw nothingLeft();
    if (!(logit < Infinity)) throw notFinite(best, logit);
    return best;
  }

  /** Keeps the k greatest logits, sorted. */
  keepTop(k: number): void {
    const { ids, logits, length } = this;
    if (this.#all) {
      this.length = largest(logits, Math.min(k, length), ids);
      this.#all = false;
      const best = logits[ids[0]!]!;
      if (this.length > 0 && !(best < Infinity)) throw notFinite(ids[0]!, best);
    } else {
      if (!this.#sorted) bringLargestForward(ids, length, Math.min(k, length), logits);
      this.length = Math.min(k, length);
    }
    this.#sorted = true;
  }

  /** Keeps the candidates that `keep` accepts, in their order. */
  filter(keep: (id: number) => boolean): void {
    const { ids, length } = this;
    const all = this.#all;
    let n = 0;
    for (let i = 0; i < length; i++) {
      const id = all ? i : ids[i]!;
      if (keep(id)) ids[n++] = id;
    }
    this.length = n;
    this.#all = false;
  }

  /** Keeps the fewest candidates of the greatest `keys` [V] whose probabilities sum to `mass` or more. */
  keepMass(mass: number, keys: Keys): void {
    this.softmax();
    const { ids, probabilities } = this;
    const byLogit = keys === this.logits;
    let sum = 0;
    let kept = 0;
    // Sorting a few is nearly always enough; each round sorts eight times as many.
    for (let ordered = 256; kept < this.length && (sum < mass || kept === 0); ordered *= 8) {
      const k = Math.min(ordered, this.length);
      if (!(byLogit && this.#sorted)) bringLargestForward(ids, this.length, k, keys);
      while (kept < k && (sum < mass || kept === 0)) sum += probabilities[ids[kept++]!]!;
    }
    this.length = kept;
    this.#sorted = byLogit;
  }

  /** Fills `probabilities` of the candidates, in float64; returns log(sum(exp(logit))): ln p = logit - this. */
  softmax(): number {
    const greatest = this.logits[this.best()]!;
    const ids = this.list();
    const { logits, probabilities, length } = this;
    let sum = 0;
    for (let i = 0; i < length; i++) {
      const id = ids[i]!;
      sum += probabilities[id] = Math.exp(logits[id]! - greatest);
    }
    for (let i = 0; i < length; i++) probabilities[ids[i]!]! /= sum;
    return greatest + Math.log(sum);
  }

  /** The candidate whose share of [0, 1) contains u; uses the last softmax(). */
  at(u: number): number {
    const { ids, probabilities, length } = this;
    let sum = 0;
    let id = -1;
    for (let i = 0; i < length; i++) {
      id = ids[i]!;
      sum += probabilities[id]!;
      if (u < sum) break;
    }
    return id; // the last one, if rounding left the sum just below u
  }
}

/** One link of the chain: edits the logits of the candidates, or cuts some of them. */
export interface Sampler {
  /** As users see it, with its parameters: "top-k 40". */
  readonly label: string;
  apply(candidates: Candidates): void;
  /** Takes note of a token of the text so far. */
  accept?(id: number): void;
  reset?(): void;
}

/** The end of the chain: picks one of the candidates. */
export interface Choice {
  readonly label: string;
  choose(candidates: Candidates): number;
  reset?(): void;
}

/** The first of ids[0..n) in order; -1 if n is 0. */
function firstOf(ids: Int32Array, n: number, keys: Keys): number {
  let first = n > 0 ? ids[0]! : -1;
  for (let i = 1; i < n; i++) if (precedes(ids[i]!, first, keys)) first = ids[i]!;
  return first;
}

function notFinite(id: number, logit: number): UserError {
  return new UserError(
    `Expected a finite logit for every token, got ${logit} for token ${id}.`,
    'The model file may be damaged: fetch it again, or see whether --backend reference does better.',
  );
}

function nothingLeft(): UserError {
  return new UserError(
    'No token is left to choose from: every logit is -Infinity.',
    'Ban fewer tokens: look at the logit bias.',
  );
}
