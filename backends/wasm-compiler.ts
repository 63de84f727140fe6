/**
 * Compiles kernels/wasm for this machine. V8's flags are set for the compilation and restored afterwards. With them
 * everything is optimized before the first call, and pairs of 128-bit operations become 256-bit ones on CPUs that have
 * them (2.5 times the speed of prefill on x64).
 */
import { UserError } from '../errors.ts';

const FLAGS: readonly [flag: string, restored: string][] = [
  // Inlining needs call counts, which only the baseline compiler collects. Without them V8 14.6 aborts, also in another
  // thread that compiles at the same time. So this flag is set first and restored last.
  ['--no-wasm-inlining', '--wasm-inlining'],
  ['--no-liftoff', '--liftoff'],
  ['--no-wasm-lazy-compilation', '--wasm-lazy-compilation'],
  ['--experimental-wasm-revectorize', '--no-experimental-wasm-revectorize'],
];

/** The address of a module in dist/, from the sources and from the bundle. */
export function moduleUrl(file: string): URL {
  return new URL(file, new URL(import.meta.url.endsWith('.ts') ? '../dist/' : './', import.meta.url));
}

/** Throws UserError if this V8 lacks what the kernels use. */
export function compileModule(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8'); // workers that compile nothing start sooner
  for (const [flag] of FLAGS) setFlagsFromString(flag);
  try {
    return new WebAssembly.Module(bytes);
  } catch (cause) {
    throw new UserError(
      `This JavaScript engine, V8 ${process.versions.v8}, has no relaxed SIMD or no threads in WebAssembly.`,
      'Use Node 26 or later.',
      { cause },
    );
  } finally {
    for (const [, restored] of FLAGS.toReversed()) setFlagsFromString(restored);
  }
}

/** The error for a module that dist/ has not. */
export function missingModule(url: URL, cause: unknown): UserError {
  return new UserError(`The compiled kernels are missing: ${url.pathname}.`, 'Run npm run build.', { cause });
}
