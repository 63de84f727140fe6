/**
 * What a kernel of gpu.js is: the text of a JavaScript function that computes one cell of its result, which
 * gpu.js turns into WGSL, WebAssembly or plain JavaScript. Text, not a function, so that no bundler can
 * change it.
 *
 * this.thread.x is a column of the result and this.thread.y a row; a[y][x] reads row y of an argument, and
 * a[i] its numbers one after the other. Sizes that never change are written into the text.
 */
export interface KernelSource {
  readonly name: string; // for messages
  readonly text: string;
  readonly args: readonly ArgumentType[];
}

/** A matrix that a kernel computed or the host lists; one that keeps its place in memory; a whole number. */
export type ArgumentType = 'Array' | 'Input' | 'Integer';

/** Cells that share a sum or a maximum of a row: each takes every 16th column. */
export const PARTIALS = 16;
