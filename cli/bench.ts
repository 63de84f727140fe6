import { UserError } from '../errors.ts';
import type { Call } from './commands.ts';

/** Measures models, or kernels where the first operand is `kernels`. */
export async function bench(call: Call): Promise<void> {
  const [what, ...words] = call.operands;
  if (what === undefined) return (await import('./bench/models.ts')).benchModels(call);
  if (what === 'kernels') return (await import('./bench/kernels.ts')).benchKernels(call, words);
  throw new UserError(
    `Expected "kernels" or nothing after percept bench, got "${what}".`,
    'Name a model with -m.',
    { kind: 'usage' },
  );
}
