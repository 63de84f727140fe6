/** Each head of a, then that of b, head by head. */
import type { KernelSource } from './kernel-source.ts';

/** @param A columns of a head of a */
export function concat(A: number, B: number): KernelSource {
  const text = `function (a, b) {
    const head = Math.floor((this.thread.x + 0.5) / ${A + B});
    const d = this.thread.x - head * ${A + B};
    if (d < ${A}) return a[this.thread.y][head * ${A} + d];
    return b[this.thread.y][head * ${B} + d - ${A}];
  }`;
  return { name: 'concat', text, args: ['Array', 'Array'] };
}
