/** Checks of the two halves of a pair. */
import { UserError } from '../../errors.ts';
import type { AdapterPair } from '../architectures/adapted.ts';
import { inFloat32 } from '../checkpoint/stored.ts';

/** The pair in float32. Throws UserError for halves of different ranks. */
export function fittingPair(path: string, name: string, { a, b }: AdapterPair, rank: number): AdapterPair {
  if (b.shape.at(-1) === rank && rank >= 1 && a.shape.length === b.shape.length)
    return { a: inFloat32(a), b: inFloat32(b) };
  throw new UserError(
    `The halves of ${name} in the adapter ${path} do not fit: A is [${a.shape}], B is [${b.shape}].`,
    'Get the adapter again.',
  );
}

export function lacksHalf(path: string, name: string): UserError {
  return new UserError(
    `The adapter ${path} has only one half of the pair for ${name}.`,
    'It is incomplete: get it again.',
  );
}
