import { createStore, type Store } from '../store.ts';
import type { Pacer } from './pacer.ts';

/** Figures that run are read, not watched. */
const BEATS = 3;

/** A state that changes at once where something happened, and only now and then while figures run. */
export class PacedState<State extends object> {
  readonly store: Store<State>;
  readonly #pacer: Pacer;
  readonly #flush = () => this.now({});
  #waiting: Partial<State> = {};

  constructor(initial: State, pacer: Pacer) {
    this.store = createStore(initial);
    this.#pacer = pacer;
  }

  /** Changes it at once, with all that waits. */
  now(change: Partial<State>): void {
    this.stop();
    const waiting = this.#waiting;
    this.#waiting = {};
    this.store.set((state) => ({ ...state, ...waiting, ...change }));
  }

  /** Changes it when it is time. */
  soon(change: Partial<State>, beats = BEATS): void {
    Object.assign(this.#waiting, change);
    this.#pacer.soon(this.#flush, beats);
  }

  /** What waits comes with the next change. */
  stop(): void {
    this.#pacer.cancel(this.#flush);
  }
}
