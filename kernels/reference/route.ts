/**
 * The experts of a token and their weights (Shazeer et al., Outrageously Large Neural Networks; DeepSeek-AI,
 * DeepSeek-V3 for the bias and the groups).
 */
export interface Routing {
  readonly count: number; // experts of a token
  readonly by: 'softmax' | 'sigmoid'; // from logits to scores
  readonly normalized?: boolean; // the weights of a token add up to 1, before `scale`
  readonly scale?: number; // of all weights; default 1
  /** Only experts of the `used` best of `count` equal groups; a group is as good as its two best experts together. */
  readonly groups?: { readonly count: number; readonly used: number };
}

/**
 * @param x [E], logits
 * @param bias [E], added to the scores for picking, but not to the weights
 * @param scales [E], of the weights of each expert
 * @returns [2 k]: the picked experts, best first (the lower number of equals), then the weight of each
 */
export function route(
  x: Float64Array,
  bias: Float32Array | Float64Array | undefined,
  scales: Float32Array | Float64Array | undefined,
  { count, by, normalized = false, scale = 1, groups }: Routing,
): Float64Array {
  const scores = by === 'sigmoid' ? x.map((value) => 1 / (1 + Math.exp(-value))) : softmax(x);
  const merits = Array.from(scores, (score, e) => score + (bias?.[e] ?? 0));
  const allowed = groups ? expertsOf(merits, groups) : merits.keys();
  const picked = bestOf([...allowed], count, (e) => merits[e]!);
  const weights = picked.map((e) => scores[e]!);
  const sum = normalized ? weights.reduce((total, weight) => total + weight, 0) : 1;
  const scaled = weights.map((weight, i) => (weight / sum) * scale * (scales?.[picked[i]!] ?? 1));
  return Float64Array.of(...picked, ...scaled);
}

function softmax(x: Float64Array): Float64Array {
  const most = Math.max(...x);
  const powers = x.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** The experts of the best groups. */
function expertsOf(merits: readonly number[], { count, used }: NonNullable<Routing['groups']>): number[] {
  const size = merits.length / count;
  const members = (group: number) => Array.from({ length: size }, (_, i) => group * size + i);
  const quality = (group: number) =>
    bestOf(members(group), Math.min(2, size), (e) => merits[e]!).reduce((sum, e) => sum + merits[e]!, 0);
  const qualities = Array.from({ length: count }, (_, group) => quality(group));
  return bestOf([...qualities.keys()], used, (group) => qualities[group]!)
    .sort((a, b) => a - b)
    .flatMap(members);
}

/** The `count` best, best first; of equals the first. */
function bestOf(all: readonly number[], count: number, merit: (one: number) => number): number[] {
  return all.toSorted((a, b) => merit(b) - merit(a)).slice(0, count);
}
