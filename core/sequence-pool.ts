/**
 * The sequences of a model as a cache of branches. A prompt gets the session that caches its longest prefix. If that
 * would overwrite tokens of another branch, the shared prefix is copied to the least recently used sequence, so that
 * returning to the other branch computes nothing. A recurrent model shares a branch as a whole or computes anew.
 */
import { commonPrefix, Session, type SessionModel } from './session.ts';

/** Recomputing this many tokens is cheaper than using another sequence. */
const FEW_TOKENS = 16;

export class SequencePool {
  /** The most recently used first. */
  readonly #sessions: Session[];

  constructor(model: SessionModel) {
    this.#sessions = Array.from({ length: model.sequences }, (_, seq) => new Session(model, seq));
  }

  /** The session to evaluate `ids` in. The caller owns it until the next call. */
  async sessionFor(ids: readonly number[]): Promise<Session> {
    const shared = new Map(
      this.#sessions.map((session) => [session, session.keepable(commonPrefix(session.tokens, ids))]),
    );
    const best = this.#sessions.reduce((a, b) => (shared.get(b)! > shared.get(a)! ? b : a));
    const kept = shared.get(best)!;
    const lost = best.tokens.length - kept;
    if (lost <= FEW_TOKENS || this.#sessions.length === 1) return this.#use(best);
    const spare = this.#sessions.findLast((session) => session !== best)!;
    if (kept === 0) return this.#use(spare);
    const fork = await best.fork(spare.seq, kept);
    this.#sessions.splice(this.#sessions.indexOf(spare), 1, fork);
    return this.#use(fork);
  }

  #use(session: Session): Session {
    this.#sessions.splice(this.#sessions.indexOf(session), 1);
    this.#sessions.unshift(session);
    return session;
  }
}
