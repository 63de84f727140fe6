/** A weight as it was handed over: its bytes are read when a kernel needs them. */
import { rowBytes } from '../../kernels/quant-formats.ts';
import type { WeightDesc, WeightSource } from '../backend.ts';
import { readWeight } from '../program-weights.ts';

export class Weight {
  readonly desc: WeightDesc;
  readonly #source: WeightSource;

  constructor(desc: WeightDesc, source: WeightSource) {
    this.desc = desc;
    this.#source = source;
  }

  get rowBytes(): number {
    return rowBytes(this.desc.type, this.desc.cols);
  }

  /** Rejects with a UserError where the file ends before the weight does. */
  read(): Promise<Uint8Array> {
    return readWeight(this.desc, this.#source);
  }
}
