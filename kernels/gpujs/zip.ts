/** y[t][c] = fn(a[t][c], b[t][c]) */
import type { ZipFunction } from '../reference/zip.ts';
import type { KernelSource } from './kernel-source.ts';

const OPERATORS: Readonly<Record<ZipFunction, string>> = { add: '+', mul: '*' };

export function zip(fn: ZipFunction): KernelSource {
  const text = `function (a, b) {
    return a[this.thread.y][this.thread.x] ${OPERATORS[fn]} b[this.thread.y][this.thread.x];
  }`;
  return { name: fn, text, args: ['Array', 'Array'] };
}
