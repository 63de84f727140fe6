/**
 * out[t][c] = x[t][c] / sqrt(mean of x[t]^2 + eps) * weight[c], in two kernels. In one kernel, every cell of the result
 * would read the whole row.
 */
import { type KernelSource, PARTIALS } from './kernel-source.ts';

/** squares[t][i]: the sum of x[t][c]^2 over c = i, i + 16, ... */
export function squares(cols: number): KernelSource {
  const add = 'const value = x[this.thread.y][c]; sum += value * value;';
  const text = `function (x) {
    let sum = 0;
    for (let i = 0; i < ${Math.ceil(cols / PARTIALS)}; i++) {
      const c = i * ${PARTIALS} + this.thread.x;
      ${cols % PARTIALS === 0 ? add : `if (c < ${cols}) { ${add} }`}
    }
    return sum;
  }`;
  return { name: 'squares', text, args: ['Array'] };
}

/** Row `item` of `weights` is the norm of one layer. */
export function rmsNorm(cols: number, eps: number): KernelSource {
  const text = `function (x, squares, item) {
    let sum = 0;
    for (let i = 0; i < ${PARTIALS}; i++) sum += squares[this.thread.y][i];
    const value = x[this.thread.y][this.thread.x] / Math.sqrt(sum / ${cols} + ${eps});
    return value * this.constants.weights[item][this.thread.x];
  }`;
  return { name: 'rms-norm', text, args: ['Array', 'Array', 'Integer'] };
}
