/** What a token attends to: the softmax weights of every head of every layer over the tokens before it and itself. */
import { UserError } from '../errors.ts';
import type { EvaluateOptions, Sequence } from './sequence.ts';

export interface Attention {
  readonly heads: readonly number[]; // query heads of each layer that attends
  readonly positions: number; // as many as ids: the last is the token itself
  readonly weights: Float32Array; // [heads of all layers, positions]; each row sums to 1
}

/** The weights of one head, [positions]: a view. Throws RangeError for one that there is not. */
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
 * What the last of `ids` attends to. The token chosen at place i comes of the row of position i - 1, so of it the caller
 * passes the i ids before it. The sequence's cache then holds `ids`: what it held beyond them is forgotten.
 *
 * Throws UserError of kind usage where the model was loaded without attention or its backend has none, and as
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
    'Expected a model that shows what its tokens attend to, but it was loaded without that, or its backend has none.',
    'Choose a backend that has it: --backend cpu.',
    { kind: 'usage' },
  );
}
