/** What a token attends to: the softmax weights of every head of every layer over the tokens before it and itself. */
import { UserError } from '../errors.ts';
import type { EvaluateOptions, Session } from './session.ts';

export interface Attention {
  readonly layers: number;
  readonly heads: number; // query heads of a layer
  readonly positions: number; // as many as ids: the last is the token itself
  readonly weights: Float32Array; // [layers, heads, positions]; each row sums to 1
}

/**
 * What the last of `ids` attends to. The token chosen at place i comes of the row of position i - 1, so of it the caller
 * passes the i ids before it. The session's cache then holds `ids`: what it held beyond them is forgotten.
 *
 * Throws UserError of kind usage where the model was loaded without attention or its backend has none, and as
 * `Session.evaluate` does.
 */
export async function attentionOf(
  session: Session,
  ids: readonly number[],
  options: Pick<EvaluateOptions, 'signal' | 'onProgress'> = {},
): Promise<Attention> {
  const shape = session.model.executable.attends;
  if (!shape) throw notGiven();
  const weights = await session.attend(ids, options);
  return { ...shape, positions: ids.length, weights };
}

function notGiven(): UserError {
  return new UserError(
    'Expected a model that shows what its tokens attend to, but it was loaded without that, or its backend has none.',
    'Choose a backend that has it: --backend cpu.',
    { kind: 'usage' },
  );
}
