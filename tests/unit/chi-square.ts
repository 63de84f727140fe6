/**
 * Pearson's test of counts against probabilities. p is the probability that matching counts differ at least as much, by
 * the normal approximation of Wilson and Hilferty (1931).
 */
export function chiSquare(
  counts: readonly number[],
  probabilities: readonly number[],
): { statistic: number; p: number } {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const statistic = counts.reduce(
    (sum, count, i) => sum + (count - total * probabilities[i]!) ** 2 / (total * probabilities[i]!),
    0,
  );
  const k = counts.length - 1; // degrees of freedom
  const z = (Math.cbrt(statistic / k) - (1 - 2 / (9 * k))) / Math.sqrt(2 / (9 * k));
  return { statistic, p: upperTail(z) };
}

/** P(Z > z) of a standard normal (Abramowitz and Stegun 26.2.17, error below 1e-7). */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
  return z > 0 ? tail : 1 - tail;
}
