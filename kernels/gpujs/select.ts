/** The rows of x that a step wants output for: out[s] = x[rows[s]] */
import type { KernelSource } from './kernel-source.ts';

export const SELECT: KernelSource = {
  name: 'select',
  text: `function (x, rows) { return x[rows[this.thread.y]][this.thread.x]; }`,
  args: ['Array', 'Array'],
};
