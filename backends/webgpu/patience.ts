/**
 * Waits for the device without asking it all the time. While something is awaited from Dawn it is asked in every turn of
 * the event loop, which takes a whole core: nothing to a GPU, but a third of the machine where the adapter computes on
 * the same processor. So most of the time that earlier steps took is slept through.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** Of the shortest of the last steps. */
const SHARE = 0.9;
const REMEMBERED = 4;
/** Timers are too coarse for less. */
const LEAST_MS = 4;

export class Patience {
  readonly #times = new Map<string, number[]>(); // ms a unit of work, by kind of step

  /** Waits for a submit of so many units, then for `done`, and remembers how long both took. */
  async wait<T>(kind: string, units: number, done: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const times = this.#times.get(kind) ?? [];
    const expected = times.length > 0 ? Math.min(...times) * units * SHARE : 0;
    if (expected > LEAST_MS) await sleep(expected);
    const result = await done();
    this.#times.set(kind, [...times.slice(1 - REMEMBERED), (performance.now() - start) / units]);
    return result;
  }
}
