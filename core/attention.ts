/** Attention of a token: softmax weights of every head of every layer over the earlier tokens and the token itself. */
import { UserError } from '../errors.ts';
import type { EvaluateOptions, Sequence } from './sequence.ts';

export interface Attention {
  readonly heads: readonly number[]; // query heads of each layer that attends
  readonly positions: number; // one for each id; the last is the token itself
  readonly weights: Float32Array; // [heads of all layers, positions]; each row sums to 1
}

/** The weights of one head, [positions]: a view. Throws RangeError for a head that does not exist. */
export function headWeights(
  { heads, positions, weights }: Attention,
  layer: number,
  head: number,
): Float32Array {
  if (!(head < (heads[layer] ?? 0))) throw new RangeError(`Expected a head of layer ${layer}, got ${head}.`);
  const row = heads.slice(0, layer).reduce((sum, count) => sum + count, head);
  return weights.subarray(row * positions, (row + 1) * positions);
}

/**
 * The attention of the last of `ids`. For the choice of the token at place i, pass the i ids before it: it was chosen
 * from the row of position i - 1. Afterwards the sequence's cache holds exactly `ids`.
 *
 * Throws UserError of kind usage if the model was loaded without attention or its backend does not compute it, and as
 * `Sequence.evaluate` does.
 */
export async function attentionOf(
  sequence: Sequence,
  ids: readonly number[],
  options: Pick<EvaluateOptions, 'signal' | 'onProgress'> = {},
): Promise<Attention> {
  const shape = sequence.model.executable.attends;
  if (!shape) throw notGiven();
  const weights = await sequence.attend(ids, options);
  return { ...shape, positions: ids.length, weights };
}

function notGiven(): UserError {
  return new UserError(
    'Attention weights are not available: the model was loaded without them, or this backend does not compute them.',
    'Choose a backend that computes them: --backend cpu.',
    { kind: 'usage' },
  );
}
