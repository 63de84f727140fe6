/**
 * Scaled dot-product attention over the cache: scores, softmax (softmax.ts), mix. A row is a (token, query head) pair:
 * r = t * heads + h. Query head h reads kv head floor(h * kvHeads / heads). Keys are [rows of the cache] [kvHeads * D],
 * values [rows of the cache] [kvHeads * E]. Token t sees the rows bases[t] to bases[t] + lasts[t].
 */
import { type KernelSource, PARTIALS } from './kernel-source.ts';

/** Adds what the sink of head h counts beside weights that are relative to the row's maximum. */
const SINK = `let max = maxima[this.thread.y][0];
    for (let i = 1; i < ${PARTIALS}; i++) max = Math.max(max, maxima[this.thread.y][i]);
    total += Math.exp(Math.min(sinks[h] - max, 80));`;

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly keyDim: number; // D
  readonly valueDim: number; // E
  readonly scale: number;
  readonly softcap?: number;
  readonly sinks: boolean;
}

/** scores[r][p] = scale * q[r] . keys[base + p]; 0 for positions that the token does not see. q: [rows * D] */
export function scores({ heads, kvHeads, keyDim, scale, softcap }: AttentionShape): KernelSource {
  const text = `function (q, keys, lasts, bases) {
    const t = Math.floor((this.thread.y + 0.5) / ${heads});
    if (this.thread.x > lasts[t]) return 0;
    const h = this.thread.y - t * ${heads};
    const column = Math.floor((h + 0.5) / ${heads / kvHeads}) * ${keyDim};
    const row = bases[t] + this.thread.x;
    const at = this.thread.y * ${keyDim};
    let sum = 0;
    for (let d = 0; d < ${keyDim}; d++) sum += q[at + d] * keys[row][column + d];
    ${softcap === undefined ? `return sum * ${scale};` : capped(scale, softcap)}
  }`;
  return { name: 'scores', text, args: ['Array', 'Input', 'Array', 'Array'] };
}

/** softcap * tanh(scale * sum / softcap), and tanh z as 2 / (1 + e^-2z) - 1; near 0, where that cancels, as a series. */
function capped(scale: number, softcap: number): string {
  return `const z = Math.max(-10, Math.min(10, sum * ${scale / softcap}));
    const far = 2 / (1 + Math.exp(-2 * z)) - 1;
    const near = z + z * z * z * (-0.3333333333 + z * z * (0.1333333333 + z * z * (-0.05396825397 + z * z * 0.02186948854)));
    if (Math.abs(z) < 0.25) return near * ${softcap};
    return far * ${softcap};`;
}

/**
 * mixed[r][d] = sum over p of weights[r][p] * values[base + p][d], divided by the sum of the row's weights. maxima: of the
 * row's scores, by parts (softmax.ts); sinks: [heads]
 */
export function mix({ heads, kvHeads, valueDim, sinks }: AttentionShape): KernelSource {
  const text = `function (weights, values, lasts, bases${sinks ? ', maxima, sinks' : ''}) {
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
    ${sinks ? SINK : ''}
    return sum / total;
  }`;
  const args = ['Array', 'Input', 'Array', 'Array'] as const;
  return { name: 'mix', text, args: sinks ? [...args, 'Array', 'Array'] : args };
}
