/**
 * One token of a linear recurrence, head by head. S [N, P] is the state of a head, a matrix in rows:
 *
 *   S = exp(a dt) S + k u^T,  y = S^T q + skip v
 *
 * with u = beta v (rule ssm; Dao & Gu, Transformers are SSMs) or u = beta (v - exp(a dt) S^T k) (rule delta; Yang et al.,
 * Gated Delta Networks).
 */
export interface ScanShape {
  readonly rule: 'ssm' | 'delta';
  readonly heads: number;
  readonly groups: number; // of heads with the same q and k
  readonly cyclic: boolean; // head h reads group h modulo groups, not floor(h * groups / heads)
  readonly keyDim: number; // N
  readonly valueDim: number; // P
}

/** Rows of one token. */
export interface ScanRows {
  readonly q: Float64Array; // [groups * N]
  readonly k: Float64Array; // [groups * N]
  readonly v: Float64Array; // [heads * P]
  readonly dt: Float64Array; // [heads]
  readonly beta: Float64Array; // [heads]
}

type Vector = Float32Array | Float64Array;

/**
 * @param state [heads, N, P]; it does not change
 * @param a [heads]
 * @param skip [heads]; default 0
 * @returns y [heads * P] and the next state
 */
export function scan(
  state: Float64Array,
  rows: ScanRows,
  { a, skip }: { readonly a: Vector; readonly skip?: Vector },
  { rule, heads, groups, cyclic, keyDim: N, valueDim: P }: ScanShape,
): { y: Float64Array; state: Float64Array } {
  const next = new Float64Array(state.length);
  const y = new Float64Array(heads * P);
  for (let h = 0; h < heads; h++) {
    const group = cyclic ? h % groups : Math.floor((h * groups) / heads);
    const [q, k] = [rows.q, rows.k].map((row) => row.subarray(group * N, (group + 1) * N));
    const decay = Math.exp(a[h]! * rows.dt[h]!);
    for (let p = 0; p < P; p++) {
      const at = (n: number) => (h * N + n) * P + p;
      const v = rows.v[h * P + p]!;
      const held = rule === 'delta' ? k!.reduce((sum, kn, n) => sum + kn * decay * state[at(n)]!, 0) : 0;
      const u = rows.beta[h]! * (v - held);
      let sum = (skip?.[h] ?? 0) * v;
      for (let n = 0; n < N; n++) {
        next[at(n)] = decay * state[at(n)]! + k![n]! * u;
        sum += next[at(n)]! * q![n]!;
      }
      y[h * P + p] = sum;
    }
  }
  return { y, state: next };
}
