/**
 * Reads rows of logits [V]: the largest, the k largest in order, log(sum(exp)). In order means: larger value first, lower
 * index first among equals, so that no result depends on how a sort breaks ties.
 */

export type Keys = Float32Array | Float64Array;

/** Index of the largest value, or of the first that is NaN or Infinity; 0 if all are -Infinity. */
export function argmax(values: Float32Array): number {
  let best = 0;
  let bar = -Infinity;
  for (let i = nextAbove(bar, values, 0); i < values.length; i = nextAbove(bar, values, i + 1)) {
    best = i;
    bar = values[i]!;
    if (!(bar < Infinity)) break;
  }
  return best;
}

/**
 * Writes the indices of the `count` largest values to `ids`, in order. Values of -Infinity are left out. Returns how many
 * there are. A NaN or Infinity ends the search: its index is then the only one.
 */
export function largest(values: Float32Array, count: number, ids: Int32Array): number {
  let n = 0;
  if (count === 0) return n;
  let bar = -Infinity; // a value must exceed it to get in; an equal one has a higher index than those inside
  for (let i = nextAbove(bar, values, 0); i < values.length; i = nextAbove(bar, values, i + 1)) {
    if (!(values[i]! < Infinity)) {
      ids[0] = i;
      return 1;
    }
    if (n < count) {
      ids[n++] = i;
      if (n === count) heapify(ids, count, values);
    } else {
      ids[0] = i;
      sink(ids, 0, count, values);
    }
    if (n === count) bar = values[ids[0]!]!;
  }
  if (n < count) heapify(ids, n, values);
  sortHeap(ids, n, values);
  return n;
}

/** Moves the `count` of ids[0..length) with the largest keys to the front, in order. The others follow. */
export function bringLargestForward(ids: Int32Array, length: number, count: number, keys: Keys): void {
  heapify(ids, count, keys);
  for (let i = count; i < length; i++) {
    if (!precedes(ids[i]!, ids[0]!, keys)) continue;
    const id = ids[0]!;
    ids[0] = ids[i]!;
    ids[i] = id;
    sink(ids, 0, count, keys);
  }
  sortHeap(ids, count, keys);
}

/** True if index a comes before index b in order. */
export function precedes(a: number, b: number, keys: Keys): boolean {
  return keys[a]! > keys[b]! || (keys[a] === keys[b] && a < b);
}

/**
 * log(sum(exp(x))) of values[start..end), shifted by the largest so that nothing overflows, in float64.
 * A logit minus this is the log probability of its token.
 */
export function logSumExp(values: Float32Array, start = 0, end = values.length): number {
  let greatest = -Infinity;
  for (let i = start; i < end; i++) if (values[i]! > greatest) greatest = values[i]!;
  let sum = 0;
  for (let i = start; i < end; i++) sum += Math.exp(values[i]! - greatest);
  return greatest + Math.log(sum);
}

/** The first index from `from` on whose value exceeds `bar` or is NaN; V if there is none. The one loop over all V. */
function nextAbove(bar: number, values: Float32Array, from: number): number {
  const V = values.length;
  while (from < V && values[from]! <= bar) from++;
  return from;
}

// ----- a heap of indices in ids[0..n): its root comes last in order

function heapify(ids: Int32Array, n: number, keys: Keys): void {
  for (let i = (n >> 1) - 1; i >= 0; i--) sink(ids, i, n, keys);
}

/** Moves ids[i] down until no child comes later in order. */
function sink(ids: Int32Array, i: number, n: number, keys: Keys): void {
  const id = ids[i]!;
  for (let child = 2 * i + 1; child < n; child = 2 * i + 1) {
    if (child + 1 < n && precedes(ids[child]!, ids[child + 1]!, keys)) child++;
    if (precedes(ids[child]!, id, keys)) break;
    ids[i] = ids[child]!;
    i = child;
  }
  ids[i] = id;
}

function sortHeap(ids: Int32Array, n: number, keys: Keys): void {
  for (let end = n - 1; end > 0; end--) {
    const last = ids[0]!;
    ids[0] = ids[end]!;
    ids[end] = last;
    sink(ids, 0, end, keys);
  }
}
