/** y[t][c] = a[t][c] * b[t][c], or their sum */
import type { KernelSource } from './kernel-source.ts';

export const MUL = elementwise('mul', '*');
export const ADD = elementwise('add', '+');

function elementwise(name: string, operator: '*' | '+'): KernelSource {
  const text = `function (a, b) {
    return a[this.thread.y][this.thread.x] ${operator} b[this.thread.y][this.thread.x];
  }`;
  return { name, text, args: ['Array', 'Array'] };
}
