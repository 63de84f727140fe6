/** Tables of the angles of ropes, f32 [position][pairs]{cos, sin}. Each holds the positions that steps have reached. */
import type { RopeSpec } from '../backend.ts';
import type { SharedHeap } from './memory.ts';

export class Angles {
  readonly #heap: SharedHeap;
  readonly #ropes: ReadonlyMap<RopeSpec, number>;
  #filled = 0; // positions

  /** @param ropes addresses of the tables */
  constructor(heap: SharedHeap, ropes: ReadonlyMap<RopeSpec, number>) {
    this.#heap = heap;
    this.#ropes = ropes;
  }

  /** Computes the first `positions` positions, in float64, unless they are there. */
  reach(positions: number): void {
    if (positions <= this.#filled) return;
    for (const [rope, address] of this.#ropes) this.#fill(rope, address, positions);
    this.#filled = positions;
  }

  #fill({ inverseFrequencies }: RopeSpec, address: number, positions: number): void {
    const pairs = inverseFrequencies.length;
    const table = this.#heap.f32(address, positions * pairs * 2);
    for (let position = this.#filled, i = position * pairs * 2; position < positions; position++) {
      for (const frequency of inverseFrequencies) {
        table[i++] = Math.cos(position * frequency);
        table[i++] = Math.sin(position * frequency);
      }
    }
  }
}
