import { createStore, type Store } from '../store.ts';
import type { Pacer } from './pacer.ts';

/** Redraw live numbers only every third frame; they cannot be read faster than that. */
const BEATS = 3;

/** A store with two kinds of change: events apply at once, live numbers a few frames later. */
export class PacedState<State extends object> {
  readonly store: Store<State>;
  readonly #pacer: Pacer;
  readonly #flush = () => this.now({});
  #pending: Partial<State> = {};

  constructor(initial: State, pacer: Pacer) {
    this.store = createStore(initial);
    this.#pacer = pacer;
  }

  /** Applies a change at once, together with pending ones. */
  now(change: Partial<State>): void {
    this.stop();
    const pending = this.#pending;
    this.#pending = {};
    this.store.set((state) => ({ ...state, ...pending, ...change }));
  }

  /** Applies a change within `beats` frames. */
  soon(change: Partial<State>, beats = BEATS): void {
    Object.assign(this.#pending, change);
    this.#pacer.soon(this.#flush, beats);
  }

  /** Stops the timer. Pending changes apply with the next one. */
  stop(): void {
    this.#pacer.cancel(this.#flush);
  }
}
