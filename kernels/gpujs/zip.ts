/** y[t][c] = fn(a[t][c], b[t][c]) */
import type { ZipFunction } from '../reference/zip.ts';
import type { KernelSource } from './kernel-source.ts';

/** The functions as expressions in `left` and `right`. */
const EXPRESSIONS: Readonly<Record<ZipFunction, string>> = {
  add: 'left + right',
  mul: 'left * right',
  'clamped-swiglu':
    'Math.min(left, 7) / (1 + Math.exp(Math.min(-1.702 * Math.min(left, 7), 80))) * (Math.max(-7, Math.min(right, 7)) + 1)',
};

export function zip(fn: ZipFunction): KernelSource {
  const text = `function (a, b) {
    const left = a[this.thread.y][this.thread.x];
    const right = b[this.thread.y][this.thread.x];
    return ${EXPRESSIONS[fn]};
  }`;
  return { name: fn, text, args: ['Array', 'Array'] };
}
