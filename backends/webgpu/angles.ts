/** Tables of the angles of ropes on the device (rope-angles.ts). Each holds the positions that steps have reached. */
import type { RopeSpec } from '../backend.ts';
import { angleFloats, fillAngles } from '../rope-angles.ts';
import type { Arrays, GpuArray } from './arrays.ts';
import type { GpuDevice } from './device.ts';

/** Positions that are added at once: a write costs more than their angles. */
const MORE = 256;

export class Angles {
  readonly tables: ReadonlyMap<RopeSpec, GpuArray>;
  readonly #gpu: GpuDevice;
  readonly #contextLength: number;
  #filled = 0; // positions

  constructor(gpu: GpuDevice, ropes: ReadonlySet<RopeSpec>, contextLength: number, arrays: Arrays) {
    this.#gpu = gpu;
    this.#contextLength = contextLength;
    const bytes = (rope: RopeSpec) => 4 * contextLength * angleFloats(rope);
    this.tables = new Map(ropes.values().map((rope) => [rope, arrays.make('rope angles', bytes(rope))]));
  }

  /** Writes the first `positions` positions, unless they are there, before what is submitted next. */
  reach(positions: number): void {
    if (positions <= this.#filled) return;
    const end = Math.min(this.#contextLength, MORE * Math.ceil(positions / MORE));
    for (const [rope, { buffer, offset }] of this.tables) {
      const floats = angleFloats(rope);
      const added = new Float32Array((end - this.#filled) * floats);
      fillAngles(rope, added, this.#filled, end);
      this.#gpu.device.queue.writeBuffer(buffer, offset + 4 * this.#filled * floats, added);
    }
    this.#filled = end;
  }
}
