/**
 * The sequences of a model as a cache of conversations. Whoever wants to go on with some ids gets the session that
 * already holds the most of them; where that would cost another branch its tokens, the shared beginning is copied to the
 * sequence that was used longest ago, so that going back to the other branch computes nothing.
 */
import { commonPrefix, Session, type SessionModel } from './session.ts';

/** Computing so few tokens again is cheaper than a sequence. */
const FEW_TOKENS = 16;

export class SequencePool {
  /** By last use, the latest first. */
  readonly #sessions: Session[];

  constructor(model: SessionModel) {
    this.#sessions = Array.from({ length: model.sequences }, (_, seq) => new Session(model, seq));
  }

  /** The session to evaluate `ids` in. The caller owns it until the next call. */
  sessionFor(ids: readonly number[]): Session {
    const shared = new Map(this.#sessions.map((session) => [session, commonPrefix(session.tokens, ids)]));
    const best = this.#sessions.reduce((a, b) => (shared.get(b)! > shared.get(a)! ? b : a));
    const kept = shared.get(best)!;
    const lost = best.tokens.length - kept;
    if (lost <= FEW_TOKENS || this.#sessions.length === 1) return this.#use(best);
    const spare = this.#sessions.findLast((session) => session !== best)!;
    if (kept === 0) return this.#use(spare);
    const fork = best.fork(spare.seq, kept);
    this.#sessions.splice(this.#sessions.indexOf(spare), 1, fork);
    return this.#use(fork);
  }

  #use(session: Session): Session {
    this.#sessions.splice(this.#sessions.indexOf(session), 1);
    this.#sessions.unshift(session);
    return session;
  }
}
