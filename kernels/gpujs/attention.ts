/**
 * Scaled dot-product attention over the cache: scores, softmax (softmax.ts), mix. A row is a (token, query head) pair:
 * r = t * heads + h. Query head h reads kv head floor(h * kvHeads / heads). Keys are [rows of the cache] [kvHeads * D],
 * values [rows of the cache] [kvHeads * E]. Token t sees the rows bases[t] to bases[t] + lasts[t].
 */
import type { KernelSource } from './kernel-source.ts';

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keyDim: number; // D
  readonly valueDim: number; // E
  readonly scale: number;
}

/** scores[r][p] = scale * q[r] . keys[base + p]; 0 for positions that the token does not see. q: [rows * D] */
export function scores({ heads, kvHeads, keyDim, scale }: AttentionShape): KernelSource {
  const text = `function (q, keys, lasts, bases) {
    const t = Math.floor((this.thread.y + 0.5) / ${heads});
    if (this.thread.x > lasts[t]) return 0;
    const h = this.thread.y - t * ${heads};
    const column = Math.floor((h + 0.5) / ${heads / kvHeads}) * ${keyDim};
    const row = bases[t] + this.thread.x;
    const at = this.thread.y * ${keyDim};
    let sum = 0;
    for (let d = 0; d < ${keyDim}; d++) sum += q[at + d] * keys[row][column + d];
    return sum * ${scale};
  }`;
  return { name: 'scores', text, args: ['Array', 'Input', 'Array', 'Array'] };
}

/** mixed[r][d] = sum over p of weights[r][p] * values[base + p][d], divided by the sum of the row's weights */
export function mix({ heads, kvHeads, valueDim }: AttentionShape): KernelSource {
  const text = `function (weights, values, lasts, bases) {
    const t = Math.floor((this.thread.y + 0.5) / ${heads});
    const h = this.thread.y - t * ${heads};
    const column = Math.floor((h + 0.5) / ${heads / kvHeads}) * ${valueDim} + this.thread.x;
    const base = bases[t];
    const last = lasts[t];
    let total = 0;
    let sum = 0;
    for (let p = 0; p <= last; p++) {
      const weight = weights[this.thread.y][p];
      total += weight;
      sum += weight * values[base + p][column];
    }
    return sum / total;
  }`;
  return { name: 'mix', text, args: ['Array', 'Input', 'Array', 'Array'] };
}
