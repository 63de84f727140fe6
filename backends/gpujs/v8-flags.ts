/**
 * WebAssembly that gpu.js compiles is optimized before its first call: with V8's defaults its kernels run at
 * two thirds of their speed.
 */
import { setFlagsFromString } from 'node:v8';

const FLAGS: readonly [flag: string, restored: string][] = [
  // Inlining asks for call counts that only the baseline compiler collects: without them V8 14.6 aborts, also
  // in another thread that compiles meanwhile. So this flag is the first to be set and the last to be restored.
  ['--no-wasm-inlining', '--wasm-inlining'],
  ['--no-liftoff', '--liftoff'],
  ['--no-wasm-lazy-compilation', '--wasm-lazy-compilation'],
];

/** Runs `compile`, which is synchronous as far as it compiles. */
export function optimized<Result>(compile: () => Result): Result {
  for (const [flag] of FLAGS) setFlagsFromString(flag);
  try {
    return compile();
  } finally {
    for (const [, restored] of FLAGS.toReversed()) setFlagsFromString(restored);
  }
}
