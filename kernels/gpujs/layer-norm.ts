/**
 * out[t][c] = (x[t][c] - mean) / sqrt(variance + eps) * weight[c] + bias[c], in three kernels. In one kernel, every cell
 * of the result would read the whole row twice.
 */
import { type KernelSource, PARTIALS } from './kernel-source.ts';

const mean = (cols: number) => `let total = 0;
    for (let i = 0; i < ${PARTIALS}; i++) total += sums[this.thread.y][i];
    const mean = total / ${cols};`;

/** Adds what `term` makes of `x[this.thread.y][c]` for c = i, i + 16, ... */
function partial(cols: number, term: string): string {
  const add = `const value = x[this.thread.y][c]${term};`;
  return `let sum = 0;
    for (let i = 0; i < ${Math.ceil(cols / PARTIALS)}; i++) {
      const c = i * ${PARTIALS} + this.thread.x;
      ${cols % PARTIALS === 0 ? add : `if (c < ${cols}) { ${add} }`}
    }
    return sum;`;
}

/** sums[t][i]: the sum of x[t][c] over c = i, i + 16, ... */
export function rowSums(cols: number): KernelSource {
  return { name: 'row-sums', text: `function (x) { ${partial(cols, '; sum += value')} }`, args: ['Array'] };
}

/** squares[t][i]: the sum of (x[t][c] - mean)^2 over c = i, i + 16, ... */
export function spreads(cols: number): KernelSource {
  const text = `function (x, sums) {
    ${mean(cols)}
    ${partial(cols, ' - mean; sum += value * value')}
  }`;
  return { name: 'spreads', text, args: ['Array', 'Array'] };
}

/** Row `item` of `weights` and `bias` is the norm of one layer. */
export function layerNorm(cols: number, eps: number, hasBias: boolean): KernelSource {
  const text = `function (x, sums, squares, item) {
    ${mean(cols)}
    let spread = 0;
    for (let i = 0; i < ${PARTIALS}; i++) spread += squares[this.thread.y][i];
    const value = (x[this.thread.y][this.thread.x] - mean) / Math.sqrt(spread / ${cols} + ${eps});
    return value * this.constants.weights[item][this.thread.x]${hasBias ? ' + this.constants.bias[item][this.thread.x]' : ''};
  }`;
  return { name: 'layer-norm', text, args: ['Array', 'Array', 'Array', 'Integer'] };
}
