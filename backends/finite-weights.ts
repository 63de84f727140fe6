import { UserError } from '../errors.ts';
import { allFinite } from '../kernels/finite.ts';
import type { WeightDesc } from './backend.ts';

/** Throws UserError for weights that are NaN or infinite: integer kernels would compute with another number. */
export function checkFinite({ name, type }: Pick<WeightDesc, 'name' | 'type'>, bytes: Uint8Array): void {
  if (allFinite(type, bytes)) return;
  throw new UserError(
    `Expected the weights of ${name} to be finite, got NaN or Infinity.`,
    'The model file is damaged or was converted wrongly: get it again, or use another one.',
  );
}
