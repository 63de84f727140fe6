/**
 * A kernel of gpu.js: the text of a JavaScript function that computes one cell of the result. gpu.js compiles it to
 * WGSL, WebAssembly or plain JavaScript. It is text, not a function, so that no bundler can change it.
 *
 * this.thread.x is a column of the result and this.thread.y a row. a[y][x] reads row y of an argument; a[i] reads its
 * numbers as one list. Constant sizes are written into the text.
 */
export interface KernelSource {
  readonly name: string; // for messages
  readonly text: string;
  readonly args: readonly ArgumentType[];
}

/** Array: a matrix from a kernel or the host. Input: a matrix with a fixed place in memory. Integer: a whole number. */
export type ArgumentType = 'Array' | 'Input' | 'Integer';

/** Cells that share a sum or a maximum of a row: each reads every 16th column. */
export const PARTIALS = 16;
