import type { Result } from '../../backends/backend.ts';
import { UserError } from '../../errors.ts';

/** So many of the largest logits tell whether all are equal: fewer may be by chance. */
export const LEAST_TO_JUDGE = 16;

/**
 * Weights of zero, as of a file whose data never arrived, give every token the same logit.
 *
 * @throws UserError if all logits of the result, or LEAST_TO_JUDGE and more of the largest, are equal
 */
export function requireDifferences(result: Result): void {
  if (result.kind !== 'logits' && result.kind !== 'top') return;
  const { kind, logits } = result;
  if (logits.length < (kind === 'top' ? LEAST_TO_JUDGE : 2)) return;
  if (logits.some((logit) => logit !== logits[0])) return;
  throw new UserError(
    `Expected logits that differ, got ${logits[0]} for every token.`,
    'The model file is damaged or incomplete: get it again, or use another one.',
  );
}
