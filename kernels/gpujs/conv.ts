/**
 * Causal convolution of each column by itself: y[t][c] = bias[c] + sum over j of weight[c][j] * x[t - (K - 1) + j][c]. `rows` has
 * the rows that a sequence keeps before those of the step. Token t reads rows firsts[t] to firsts[t] + K - 1 of it.
 */
import type { KernelSource } from './kernel-source.ts';

/** The weights of all layers are the rows of a stack, each [C][K]. */
export function conv(taps: number, bias = false): KernelSource {
  const text = `function (rows, firsts, item) {
    const first = firsts[this.thread.y];
    let sum = ${bias ? 'this.constants.bias[item][this.thread.x]' : '0'};
    for (let j = 0; j < ${taps}; j++) {
      sum += this.constants.weights[item][this.thread.x * ${taps} + j] * rows[first + j][this.thread.x];
    }
    return sum;
  }`;
  return { name: 'conv', text, args: ['Input', 'Array', 'Integer'] };
}
