/** Tables of the angles of ropes (rope-angles.ts). Each holds the positions that steps have reached. */
import type { RopeSpec } from '../backend.ts';
import { angleFloats, fillAngles } from '../rope-angles.ts';
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

  /** Computes the first `positions` positions, unless they are there. */
  reach(positions: number): void {
    if (positions <= this.#filled) return;
    for (const [rope, address] of this.#ropes) {
      const floats = angleFloats(rope);
      const added = this.#heap.f32(address + 4 * this.#filled * floats, (positions - this.#filled) * floats);
      fillAngles(rope, added, this.#filled, positions);
    }
    this.#filled = positions;
  }
}
