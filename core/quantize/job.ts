/** A piece of work of a thread: some rows of a tensor, read, converted and written to their place. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { SourceMatrix } from '../../backends/backend.ts';
import { convert } from '../../backends/encoder.ts';
import { WeightFiles } from '../../backends/weight-files.ts';
import { rowsOf } from '../../backends/weight-rows.ts';
import { shapeOf } from '../../backends/weight-source.ts';
import { rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { sourceFormat } from '../../kernels/source-formats.ts';

export interface Job {
  readonly name: string;
  readonly source: SourceMatrix; // of the whole tensor, in its own type
  readonly type: TensorType; // wanted
  readonly cols: number;
  readonly first: number; // row
  readonly rows: number;
  readonly at: number; // offset in the file
  readonly importance?: Float32Array; // of the columns
}

/** Does jobs, one after the other, on one file. */
export class Jobs implements Disposable {
  readonly #files = new WeightFiles();
  readonly #out: number;

  constructor(path: string) {
    this.#out = openSync(path, 'r+');
  }

  /** Throws UserError if rows cannot be read, and Error if they cannot be written. */
  run({ name, source, type, cols, first, rows, at, importance }: Job): void {
    const bytes = new Uint8Array(rows * rowBytes(type, cols));
    const { type: stored } = shapeOf(source, name);
    const converts = stored !== type;
    if (converts && importance) {
      const single = sourceFormat(stored).elements === 1;
      const numbers: SourceMatrix = single ? source : { op: 'convert', of: source, type: 'F32' };
      const { type: from } = shapeOf(numbers, name);
      const values = new Uint8Array(rows * cols * sourceFormat(from).bytes);
      this.#read(numbers, name, { first, rows }, values);
      convert({ from, to: type, importance }, values, bytes);
    } else {
      const matrix = converts ? ({ op: 'convert', of: source, type } as const) : source;
      this.#read(matrix, name, { first, rows }, bytes);
    }
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#out, bytes, done, bytes.length - done, at + done);
    }
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
    closeSync(this.#out);
  }

  #read(
    matrix: SourceMatrix,
    name: string,
    { first, rows }: { first: number; rows: number },
    into: Uint8Array,
  ): void {
    const checked = matrix;
    shapeOf(checked, name);
    this.#files.check(checked, name);
    this.#files.run(rowsOf(checked, name, first, rows, into), name);
  }
}
