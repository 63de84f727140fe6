/**
 * out[t][c] = x[t][c] / sqrt(mean of x[t]^2 + eps) * weight[c], for every head of `cols` columns, in two kernels. In one
 * kernel, every cell of the result would read its whole head.
 */
import { type KernelSource, PARTIALS } from './kernel-source.ts';

/** squares[t][16 h + i]: the sum of x[t][c]^2 over columns i, i + 16, ... of head h */
export function squares(cols: number): KernelSource {
  const add = 'const value = x[this.thread.y][first + c]; sum += value * value;';
  const text = `function (x) {
    const head = Math.floor(this.thread.x / ${PARTIALS});
    const part = this.thread.x - head * ${PARTIALS};
    const first = head * ${cols};
    let sum = 0;
    for (let i = 0; i < ${Math.ceil(cols / PARTIALS)}; i++) {
      const c = i * ${PARTIALS} + part;
      ${cols % PARTIALS === 0 ? add : `if (c < ${cols}) { ${add} }`}
    }
    return sum;
  }`;
  return { name: 'squares', text, args: ['Array'] };
}

/**
 * Row `item` of `weights` is the norm of one layer.
 * @param own whether each head has weights of its own
 */
export function rmsNorm(cols: number, eps: number, own = false): KernelSource {
  const text = `function (x, squares, item) {
    const head = Math.floor(this.thread.x / ${cols});
    let sum = 0;
    for (let i = 0; i < ${PARTIALS}; i++) sum += squares[this.thread.y][head * ${PARTIALS} + i];
    const value = x[this.thread.y][this.thread.x] / Math.sqrt(sum / ${cols} + ${eps});
    return value * this.constants.weights[item][this.thread.x${own ? '' : ` - head * ${cols}`}];
  }`;
  return { name: 'rms-norm', text, args: ['Array', 'Array', 'Integer'] };
}
