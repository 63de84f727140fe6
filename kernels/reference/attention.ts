import { softmax } from './softmax.ts';

export interface AttentionForm {
  readonly heads: number;
  readonly scale: number; // of the scores, before softmax
  readonly window?: number; // positions that the token sees, the last of them its own; default all
  readonly softcap?: number; // scaled scores s become softcap * tanh(s / softcap) (Gemma Team, Gemma 2)
  /** [heads]: a score of each head that takes part in the softmax, but has no value (OpenAI, gpt-oss). */
  readonly sinks?: ArrayLike<number>;
  /** Of the token, if it sees positions after its own: all, or those less than `window` away. */
  readonly position?: number;
}

/**
 * Scaled dot-product attention of the last of P positions over those it sees (Vaswani et al., eq. 1), grouped:
 * query head h reads kv head floor(h * kvHeads / heads) (Ainslie et al., GQA).
 *
 * @param q [heads * D]
 * @param keys P rows of [kvHeads * D]
 * @param values P rows of [kvHeads * E]
 * @returns [heads * E]
 */
export function attention(
  q: Float64Array,
  keys: readonly Float64Array[],
  values: readonly Float64Array[],
  form: AttentionForm,
): Float64Array {
  const kvHeads = keys[0]!.length / (q.length / form.heads);
  const [first, end] = seenOf(keys.length, form);
  return mix(weightsOfSeen(q, keys.slice(first, end), form), values.slice(first, end), kvHeads);
}

/** Attention weights of one token, by head: softmax of its scores, `heads` rows of [P], 0 outside the window. */
export function attentionWeights(
  q: Float64Array,
  keys: readonly Float64Array[],
  form: AttentionForm,
): Float64Array[] {
  const [first, end] = seenOf(keys.length, form);
  return weightsOfSeen(q, keys.slice(first, end), form).map((seen) => {
    const row = new Float64Array(keys.length);
    row.set(seen, first);
    return row;
  });
}

/** Of P positions the first that a token sees, and the end of them. */
function seenOf(P: number, { window = P, position }: AttentionForm): readonly [first: number, end: number] {
  if (position === undefined) return [Math.max(0, P - window), P];
  return [Math.max(0, position + 1 - window), Math.min(P, position + window)];
}

/** Softmax of the scores of keys that are all seen, `heads` rows. */
function weightsOfSeen(
  q: Float64Array,
  keys: readonly Float64Array[],
  { heads, scale, softcap, sinks }: AttentionForm,
): Float64Array[] {
  const D = q.length / heads;
  const kvHeads = keys[0]!.length / D;
  return Array.from({ length: heads }, (_, h) => {
    const query = q.subarray(h * D, (h + 1) * D);
    const kv = Math.floor((h * kvHeads) / heads) * D;
    const scores = new Float64Array(keys.length + (sinks ? 1 : 0));
    for (const [i, key] of keys.entries()) {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += query[d]! * key[kv + d]!;
      scores[i] = softcap === undefined ? scale * sum : softcap * Math.tanh((scale * sum) / softcap);
    }
    if (sinks) scores[keys.length] = sinks[h]!;
    return softmax(scores).subarray(0, keys.length);
  });
}

/** Weighted sum of the values of all positions, by head: [heads * E]. */
function mix(
  weights: readonly Float64Array[],
  values: readonly Float64Array[],
  kvHeads: number,
): Float64Array {
  const heads = weights.length;
  const E = values[0]!.length / kvHeads;
  const out = new Float64Array(heads * E);
  weights.forEach((row, h) => {
    const kv = Math.floor((h * kvHeads) / heads) * E;
    const head = out.subarray(h * E, (h + 1) * E);
    for (const [position, value] of values.entries()) {
      const p = row[position]!;
      for (let d = 0; d < E; d++) head[d]! += p * value[kv + d]!;
    }
  });
  return out;
}
