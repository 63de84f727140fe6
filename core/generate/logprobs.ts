import { logSumExp } from '../../backends/logits.ts';
import { Candidates } from '../sampler/candidates.ts';

export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

/** Log probabilities under the model itself: log-softmax of the raw logits, in float64. */
export class Logprobs {
  readonly #top: number;
  readonly #candidates = new Candidates();

  constructor(top: number) {
    this.#top = top;
  }

  of(logits: Float32Array, id: number): { logprob: number; top: TokenLogprob[] } {
    const total = logSumExp(logits);
    const logprob = logits[id]! - total;
    if (this.#top === 0) return { logprob, top: [] };
    this.#candidates.load(logits);
    this.#candidates.keepTop(this.#top);
    const ids = this.#candidates.ids.subarray(0, this.#candidates.length);
    return { logprob, top: Array.from(ids, (id) => ({ id, logprob: logits[id]! - total })) };
  }
}
