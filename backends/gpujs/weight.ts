/** A weight and its source. The bytes are read when a kernel needs them. */
import { rowBytes } from '../../kernels/quant-formats.ts';
import type { SourceMatrix, WeightDesc, WeightSource } from '../backend.ts';
import { type GivenWeight, givenWeight, readWeight } from '../program-weights.ts';

export class Weight implements GivenWeight {
  readonly desc: WeightDesc;
  readonly source: SourceMatrix;

  /** Throws UserError for a source that does not give the matrix described. */
  constructor(desc: WeightDesc, source: WeightSource) {
    this.desc = desc;
    this.source = givenWeight(desc, source).source;
  }

  get rowBytes(): number {
    return rowBytes(this.desc.type, this.desc.cols);
  }

  /** Rejects with a UserError if the file ends before the weight does. */
  read(): Promise<Uint8Array> {
    return readWeight(this.desc, this.source);
  }
}
