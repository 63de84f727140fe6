import { UserError } from '../../errors.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Sequence } from '../sequence.ts';

/** The generation that uses each sequence of a model. */
const CLAIMS = new WeakMap<Scheduler, Map<number, Claim>>();

/**
 * The use of a sequence by one generation. A later generation takes it over, because the earlier one may never be
 * resumed; if it is, it throws.
 */
export class Claim {
  readonly #controller = new AbortController();
  /** The work in progress on the sequence; it never rejects. */
  pending: Promise<unknown> = Promise.resolve();

  /** Aborted with a UserError once another generation has taken over. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  takeOver(seq: number): Promise<unknown> {
    const hint = 'Finish one before the next, or give each a sequence of its own (LoadOptions.sequences).';
    const message = `Another generation on sequence ${seq} began before this one ended.`;
    this.#controller.abort(new UserError(message, hint, { kind: 'usage' }));
    return this.pending;
  }
}

/** Claims a sequence as soon as its earlier generation, if there is one, has ended its step. */
export async function claim({ model: { scheduler }, seq }: Sequence): Promise<Claim> {
  const claims = CLAIMS.get(scheduler) ?? new Map<number, Claim>();
  CLAIMS.set(scheduler, claims);
  const earlier = claims.get(seq);
  const own = new Claim();
  claims.set(seq, own);
  if (earlier) own.pending = earlier.takeOver(seq); // until this one works itself
  await own.pending;
  own.signal.throwIfAborted();
  return own;
}

/** Ends the claim, unless another generation has taken over. */
export function release({ model: { scheduler }, seq }: Sequence, own: Claim): void {
  const claims = CLAIMS.get(scheduler);
  if (claims?.get(seq) === own) claims.delete(seq);
}
