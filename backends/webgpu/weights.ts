/**
 * Weights on the device. A stack holds the rows of the matrices that are computed together: one matrix after the other,
 * or their rows alternating. It is split into parts that fit in a binding.
 */
import { rowBytes } from '../../kernels/quant-formats.ts';
import type { WeightDesc } from '../backend.ts';
import { type GivenWeight, readRows } from '../program-weights.ts';
import { WeightFiles } from '../weight-files.ts';
import type { Arrays, GpuArray } from './arrays.ts';
import type { GpuDevice } from './device.ts';
import { type Form, formOf, groupBytes, groupRows } from './form.ts';
import { Packer, type RowBytes } from './pack.ts';

export type Weight = GivenWeight;

/** Layout of the matrices of a stack. */
export interface StackLayout {
  readonly form: Form;
  readonly cols: number;
  readonly rows: number; // with padding
  readonly firstRows: readonly number[]; // of each matrix; all 0 if rows alternate
  readonly inTurn: boolean; // rows alternate: row 0 of the first, row 0 of the second, row 1 of the first, ...
  readonly partRows: number; // of every part but the last
}

export interface StackPart {
  readonly firstRow: number;
  readonly rows: number;
  readonly codes: GpuArray; // or float weights
  readonly scales?: GpuArray;
}

/** The rows of each matrix are padded to a multiple of this: result columns begin at whole words of four codes. */
export const ROW_UNIT = 32;
/** Most bytes of one read or one write. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** All matrices of a stack have the same type and the same number of columns. */
export function stackLayout(
  descs: readonly WeightDesc[],
  inTurn: boolean,
  { packedDot, bindingLimit }: { packedDot: boolean; bindingLimit: number },
): StackLayout {
  const { type, cols } = descs[0]!;
  const form = formOf(type, packedDot);
  const padded = descs.map(({ rows }) => ROW_UNIT * Math.ceil(rows / ROW_UNIT));
  const rows = padded.reduce((sum, count) => sum + count, 0);
  const firstRows = padded.map((_, i) => (inTurn ? 0 : padded.slice(0, i).reduce((a, b) => a + b, 0)));
  const perGroup = groupBytes(form, cols);
  const unit = 64; // rows of a part are a multiple of it: 64 alternating rows give a block of 32 gated results
  const unitBytes = (unit / groupRows(form)) * Math.max(perGroup.codes, perGroup.scales);
  const partRows = Math.max(1, Math.floor(bindingLimit / unitBytes)) * unit;
  return { form, cols, rows, firstRows, inTurn, partRows: Math.min(rows, partRows) };
}

/** All arrays of a stack. */
export function arraysOf(parts: readonly StackPart[]): GpuArray[] {
  return parts.flatMap(({ codes, scales }) => (scales ? [codes, scales] : [codes]));
}

/** Reads the rows of a stack from their sources, packs them and uploads them. */
export async function uploadStack(
  gpu: GpuDevice,
  arrays: Arrays,
  weights: readonly Weight[],
  layout: StackLayout,
): Promise<StackPart[]> {
  const { form, cols, rows, partRows } = layout;
  const label = weights.map(({ desc }) => desc.name).join(' | ');
  const bytes = groupBytes(form, cols);
  using readers = new Readers(weights);
  const packer = new Packer(weights[0]!.desc.type, form, cols);
  const parts: StackPart[] = [];
  const made: GpuArray[] = [];
  const make = (name: string, size: number) => {
    const array = arrays.make(name, size);
    made.push(array);
    return array;
  };
  try {
    for (let firstRow = 0; firstRow < rows; firstRow += partRows) {
      const count = Math.min(partRows, rows - firstRow);
      const groups = count / groupRows(form);
      const codes = make(label, groups * bytes.codes);
      const scales = bytes.scales > 0 ? make(`scales of ${label}`, groups * bytes.scales) : undefined;
      const part = { firstRow, rows: count, codes, scales };
      await uploadPart(gpu, { readers, packer, layout }, part);
      parts.push(part);
    }
    return parts;
  } catch (error) {
    arrays.destroy(made);
    throw error;
  }
}

async function uploadPart(
  gpu: GpuDevice,
  { readers, packer, layout }: { readers: Readers; packer: Packer; layout: StackLayout },
  { firstRow, rows, codes, scales }: StackPart,
): Promise<void> {
  const height = groupRows(layout.form);
  const bytes = groupBytes(layout.form, layout.cols);
  const groups = rows / height;
  const window = Math.max(1, Math.floor(WINDOW_BYTES / (bytes.codes + bytes.scales)));
  for (let group = 0; group < groups; group += window) {
    const size = Math.min(window, groups - group);
    const packed = {
      codes: new Uint32Array((size * bytes.codes) / 4),
      scales: new Uint32Array((size * bytes.scales) / 4),
    };
    for (let i = 0; i < size; i++) {
      const from = firstRow + (group + i) * height;
      const rowsOfGroup: RowBytes[] = [];
      for (let row = from; row < from + height; row++) rowsOfGroup.push(await readers.row(layout, row));
      packer.pack(rowsOfGroup, {
        codes: packed.codes.subarray((i * bytes.codes) / 4, ((i + 1) * bytes.codes) / 4),
        scales: packed.scales.subarray((i * bytes.scales) / 4, ((i + 1) * bytes.scales) / 4),
      });
    }
    gpu.device.queue.writeBuffer(codes.buffer, codes.offset + group * bytes.codes, packed.codes);
    if (scales)
      gpu.device.queue.writeBuffer(scales.buffer, scales.offset + group * bytes.scales, packed.scales);
    await gpu.settled(gpu.device.queue.onSubmittedWorkDone()); // a pending write holds a copy of its bytes
  }
}

/** Uploads vectors as float32, one after the other, each padded to a multiple of `ROW_UNIT`. */
export async function uploadVector(
  gpu: GpuDevice,
  arrays: Arrays,
  weights: readonly (Weight | number)[], // a number: the length of a vector of zeros
): Promise<GpuArray> {
  const lengths = weights.map((each) => (typeof each === 'number' ? each : each.desc.cols));
  const padded = lengths.map((length) => ROW_UNIT * Math.ceil(length / ROW_UNIT));
  const values = new Uint8Array(4 * padded.reduce((sum, length) => sum + length, 0));
  const named = weights.filter((each) => typeof each !== 'number');
  using readers = new Readers(named);
  let at = 0;
  for (const [i, weight] of weights.entries()) {
    if (typeof weight !== 'number') values.set(await readers.of(weight).row(0), at);
    at += 4 * padded[i]!;
  }
  const array = arrays.make(named.map(({ desc }) => desc.name).join(' | '), values.byteLength);
  gpu.device.queue.writeBuffer(array.buffer, array.offset, values);
  return array;
}

/** Reads rows of several weights, each through a window that moves forward: request rows in ascending order. */
class Readers implements Disposable {
  readonly #files = new WeightFiles();
  readonly #readers: readonly RowReader[];
  readonly #weights: readonly Weight[];

  constructor(weights: readonly Weight[]) {
    this.#weights = weights;
    this.#readers = weights.map((weight) => new RowReader(weight, this.#files));
  }

  of(weight: Weight): RowReader {
    return this.#readers[this.#weights.indexOf(weight)]!;
  }

  /** The bytes of row `row` of a stack; undefined for padding. */
  async row({ firstRows, inTurn }: StackLayout, row: number): Promise<RowBytes> {
    const count = this.#weights.length;
    const matrix = inTurn ? row % count : firstRows.findLastIndex((first) => first <= row);
    const own = inTurn ? Math.floor(row / count) : row - firstRows[matrix]!;
    const reader = this.#readers[matrix]!;
    if (own >= this.#weights[matrix]!.desc.rows) return undefined;
    return reader.holds(own) ?? (await reader.row(own));
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }
}

class RowReader {
  readonly #weight: Weight;
  readonly #files: WeightFiles;
  readonly #rowBytes: number;
  #window: Uint8Array = new Uint8Array(0);
  #first = 0; // first row of the window

  constructor(weight: Weight, files: WeightFiles) {
    this.#weight = weight;
    this.#files = files;
    this.#rowBytes = rowBytes(weight.desc.type, weight.desc.cols);
  }

  /** The row, if it is in the window. */
  holds(row: number): Uint8Array | undefined {
    const at = (row - this.#first) * this.#rowBytes;
    if (at < 0 || at >= this.#window.length) return undefined;
    return this.#window.subarray(at, at + this.#rowBytes);
  }

  async row(row: number): Promise<Uint8Array> {
    const { desc } = this.#weight;
    const rows = Math.min(desc.rows - row, Math.max(1, Math.floor(WINDOW_BYTES / this.#rowBytes)));
    this.#window = await readRows(this.#files, this.#weight, row, rows);
    this.#first = row;
    return this.holds(row)!;
  }
}
