/**
 * One sequence of a model: which token ids its KV cache holds, and the next step over them.
 *
 * `evaluate(ids)` makes the cache hold exactly `ids` and returns logits of the last one: the longest common
 * prefix with what it held is reused, the rest is computed in steps of at most model.maxTokens.
 */
export interface Evaluated {
  readonly logits: Float32Array; // [V] of the last token; valid until the next step
  readonly cachedTokens: number; // length of the reused prefix
  readonly computedTokens: number;
}
