import { UserError } from '../../errors.ts';
import type { Call } from '../command.ts';

/** Measures models, or kernels if the first operand is `kernels`. */
export async function bench(call: Call): Promise<void> {
  const { operands, options } = call;
  const [what, ...words] = operands;
  if (what === undefined) return (await import('../bench/models.ts')).benchModels(options, call);
  if (what === 'kernels') return (await import('../bench/kernels.ts')).benchKernels(words, options, call);
  throw new UserError(
    `Expected "kernels" or nothing after percept bench, got "${what}".`,
    `Name a model with -m: percept bench -m ${what}.`,
    { kind: 'usage' },
  );
}
