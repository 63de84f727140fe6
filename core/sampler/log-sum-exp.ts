/**
 * log(sum(exp(x))) of logits[start..end), in float64; the maximum is subtracted first, so exp never overflows.
 * A logit minus this is the log probability of its token.
 */
export function logSumExp(logits: Float32Array, start = 0, end = logits.length): number {
  let greatest = -Infinity;
  for (let i = start; i < end; i++) if (logits[i]! > greatest) greatest = logits[i]!;
  let sum = 0;
  for (let i = start; i < end; i++) sum += Math.exp(logits[i]! - greatest);
  return greatest + Math.log(sum);
}
