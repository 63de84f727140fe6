import { UserError } from '../errors.ts';

/** Integer kernels would compute with another number than NaN or Infinity, so such weights are refused. */
export function weightsNotFinite(name: string): UserError {
  return new UserError(
    `Expected the weights of ${name} to be finite, got NaN or Infinity.`,
    'The model file is damaged or was converted wrongly: get it again, or use another one.',
  );
}
