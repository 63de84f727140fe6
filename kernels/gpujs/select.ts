/** The rows of x for which a step wants output: out[s] = x[rows[s]] */
import type { KernelSource } from './kernel-source.ts';

export const SELECT: KernelSource = {
  name: 'select',
  text: `function (x, rows) { return x[rows[this.thread.y]][this.thread.x]; }`,
  args: ['Array', 'Array'],
};
