import { createStore, type Store } from '../store.ts';

/** A state that changes at once where something happened, and at most so often while figures run. */
export class PacedState<State extends object> {
  readonly store: Store<State>;
  readonly #paceMs: number;
  #timer: NodeJS.Timeout | undefined;
  #waiting: Partial<State> = {};

  constructor(initial: State, paceMs: number) {
    this.store = createStore(initial);
    this.#paceMs = paceMs;
  }

  /** Changes it at once, with all that waits. */
  now(change: Partial<State>): void {
    this.stop();
    const waiting = this.#waiting;
    this.#waiting = {};
    this.store.set((state) => ({ ...state, ...waiting, ...change }));
  }

  /** Changes it when it is time. */
  soon(change: Partial<State>): void {
    Object.assign(this.#waiting, change);
    this.#timer ??= setTimeout(() => this.now({}), this.#paceMs);
  }

  /** What waits comes with the next change. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
