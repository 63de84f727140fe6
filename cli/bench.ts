import { UserError } from '../errors.ts';
import type { Call } from './commands.ts';

/** Speed of models, or of kernels where the first operand says so. */
export async function bench(call: Call): Promise<void> {
  const [what, ...words] = call.operands;
  if (what === undefined) return (await import('./bench/models.ts')).benchModels(call);
  if (what === 'kernels') return (await import('./bench/kernels.ts')).benchKernels(call, words);
  throw new UserError(
    `Expected "kernels" or nothing after percept bench, got "${what}".`,
    'A model goes behind -m.',
    {
      kind: 'usage',
    },
  );
}
