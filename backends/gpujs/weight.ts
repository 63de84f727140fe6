/** A weight as it was handed over: its bytes are read when a kernel needs them. */
import { open } from 'node:fs/promises';
import { UserError } from '../../errors.ts';
import { rowBytes } from '../../kernels/quant-formats.ts';
import type { WeightDesc, WeightSource } from '../backend.ts';

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
  async read(): Promise<Uint8Array> {
    if ('bytes' in this.#source) return this.#source.bytes;
    const { path, offset } = this.#source;
    const length = this.desc.rows * this.rowBytes;
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, offset);
    if (bytesRead === length) return buffer;
    throw new UserError(
      `Expected ${length} bytes of ${this.desc.name} at byte ${offset} of ${path}, got ${bytesRead}.`,
      'The file is cut off or changed while it was read: get the model again.',
    );
  }
}
