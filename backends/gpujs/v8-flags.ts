/**
 * Makes V8 optimize the WebAssembly of gpu.js before its first call: with V8's defaults, kernels run at two thirds of
 * that speed.
 */
import { setFlagsFromString } from 'node:v8';

const FLAGS: readonly [flag: string, restored: string][] = [
  // Inlining needs call counts, which only the baseline compiler collects. V8 14.6 aborts without them, even in another
  // thread that is compiling. So this flag is set first and restored last.
  ['--no-wasm-inlining', '--wasm-inlining'],
  ['--no-liftoff', '--liftoff'],
  ['--no-wasm-lazy-compilation', '--wasm-lazy-compilation'],
];

/** Runs `compile` with these flags. It must compile synchronously. */
export function optimized<Result>(compile: () => Result): Result {
  for (const [flag] of FLAGS) setFlagsFromString(flag);
  try {
    return compile();
  } finally {
    for (const [, restored] of FLAGS.toReversed()) setFlagsFromString(restored);
  }
}
