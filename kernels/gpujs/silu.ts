/** y = x * sigmoid(x) */
import type { KernelSource } from './kernel-source.ts';

export const SILU: KernelSource = {
  name: 'silu',
  text: `function (x) {
    const value = x[this.thread.y][this.thread.x];
    return value / (1 + Math.exp(-value));
  }`,
  args: ['Array'],
};
