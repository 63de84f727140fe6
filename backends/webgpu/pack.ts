/**
 * Repacks rows of a weight from the layout of the file to that of the kernels, one group of rows at a time. Layouts:
 * kernels/webgpu/matmul-pairs.wgsl, matmul-dot.wgsl and matmul-float.wgsl.
 */
import { type Codes, newCodes, sixBits, unpackBlocks } from '../../kernels/quant-codes.ts';
import { QUANT_FORMATS, type TensorType } from '../../kernels/quant-formats.ts';
import type { CodedForm, FloatForm, Form } from './form.ts';

/** Bytes of a row; undefined: a row of zeros, which pads a group. */
export type RowBytes = Uint8Array | undefined;

/** Target of a packed group: words of codes and of scales. */
export interface PackedGroup {
  readonly codes: Uint32Array;
  readonly scales: Uint32Array;
}

/** Packs groups of rows of one type and length. */
export class Packer {
  readonly #type: TensorType;
  readonly #form: Form;
  readonly #cols: number;
  readonly #rows: readonly Codes[]; // of the current group

  constructor(type: TensorType, form: Form, cols: number) {
    this.#type = type;
    this.#form = form;
    this.#cols = cols;
    const count = form.kernel === 'pairs' ? 8 : form.kernel === 'dot' ? 4 : 0;
    this.#rows = Array.from({ length: count }, () => newCodes(cols));
  }

  pack(rows: readonly RowBytes[], out: PackedGroup): void {
    if (this.#form.kernel === 'float') {
      packFloats(this.#type, this.#form, rows, this.#cols, out.codes);
      return;
    }
    rows.forEach((bytes, i) => {
      if (bytes) unpackBlocks(this.#type, bytes, this.#rows[i]!);
      else for (const values of Object.values(this.#rows[i]!)) values.fill(0);
    });
    const codes = this.#rows.map((row) => row.codes);
    const add = this.#form.planes === 2 ? 128 : this.#type === 'Q4_0' ? 8 : 0;
    if (this.#form.kernel === 'pairs') packPairs(codes, this.#form.planes, add, out.codes);
    else if (this.#form.planes === 1) packNibbles(codes, add, out.codes);
    else packBytes(codes, out.codes);
    this.#packScales(this.#form, rows, out.scales);
  }

  #packScales({ kernel, scales }: CodedForm, rows: readonly RowBytes[], out: Uint32Array): void {
    const views = rows.map((row) => row && new DataView(row.buffer, row.byteOffset, row.byteLength));
    const { bytes, elements } = QUANT_FORMATS[this.#type];
    const blocks = { count: this.#cols / elements, bytes };
    if (scales === 'g16') packParts(this.#rows, kernel, out);
    else if (scales === 'k') packSuperBlocks(views, blocks, out);
    else packHalves(views, blocks, scales === 'dm' ? 2 : 1, out);
  }
}

/** Blocks of a row in the file. */
interface Blocks {
  readonly count: number;
  readonly bytes: number; // of one
}

/** [K / 32][numbers][rows] float16: the numbers at the start of each block. */
function packHalves(
  rows: readonly (DataView | undefined)[],
  { count, bytes }: Blocks,
  numbers: number,
  out: Uint32Array,
): void {
  const halves = new Uint16Array(out.buffer, out.byteOffset, out.length * 2);
  let to = 0;
  for (let block = 0; block < count; block++) {
    for (let number = 0; number < numbers; number++) {
      for (const row of rows) halves[to++] = row?.getUint16(block * bytes + 2 * number, true) ?? 0;
    }
  }
}

/** [K / 32][planes][8] words of 4 pairs: bits 4i of a half hold the code at k = 4j + i. */
function packPairs(codes: readonly Int8Array[], planes: 1 | 2, add: number, out: Uint32Array): void {
  const K = codes[0]!.length;
  for (let block = 0; block < K / 32; block++) {
    for (let plane = 0; plane < planes; plane++) {
      const shift = 4 * plane;
      for (let j = 0; j < 8; j++) {
        const k = block * 32 + 4 * j;
        for (let pair = 0; pair < 4; pair++) {
          const [even, odd] = [codes[2 * pair]!, codes[2 * pair + 1]!];
          let word = 0;
          for (let i = 0; i < 4; i++) {
            word |= (((even[k + i]! + add) >> shift) & 15) << (4 * i);
            word |= (((odd[k + i]! + add) >> shift) & 15) << (4 * i + 16);
          }
          out[((block * planes + plane) * 8 + j) * 4 + pair] = word;
        }
      }
    }
  }
}

/** [4 rows][K / 32] 16 bytes: code k in the lower half of byte k, code 16 + k in its upper half. */
function packNibbles(codes: readonly Int8Array[], add: number, out: Uint32Array): void {
  const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
  let to = 0;
  for (const row of codes) {
    for (let k = 0; k < row.length; k += 32) {
      for (let i = 0; i < 16; i++) bytes[to++] = (row[k + i]! + add) | ((row[k + 16 + i]! + add) << 4);
    }
  }
}

/** [4 rows][K] signed bytes. */
function packBytes(codes: readonly Int8Array[], out: Uint32Array): void {
  const bytes = new Int8Array(out.buffer, out.byteOffset, out.byteLength);
  codes.forEach((row, i) => {
    bytes.set(row, i * row.length);
  });
}

/**
 * Float32 scales and minimums of every 16 weights.
 * pairs  [K / 32][2 halves]{4 scales of even rows, 4 of odd rows, 4 minimums of even rows, 4 of odd rows}
 * dot    [K / 32][4 rows]{scales of both halves, minimums of both halves}
 */
function packParts(rows: readonly Codes[], kernel: CodedForm['kernel'], out: Uint32Array): void {
  const numbers = new Float32Array(out.buffer, out.byteOffset, out.length);
  const blocks = rows[0]!.codes.length / 32;
  for (let block = 0; block < blocks; block++) {
    rows.forEach(({ scales, minimums }, row) => {
      for (let half = 0; half < 2; half++) {
        const part = 2 * block + half;
        const at =
          kernel === 'pairs'
            ? block * 32 + half * 16 + (row % 2) * 4 + (row >> 1)
            : block * 16 + row * 4 + half;
        numbers[at] = scales[part]!;
        numbers[at + (kernel === 'pairs' ? 8 : 2)] = minimums[part]!;
      }
    });
  }
}

/**
 * Q4_K: float16 d of each row, then float16 dmin of each row, then scales and minimums of 8 blocks, a byte each.
 * pairs  [8 blocks][4 pairs] one word: scales of both rows, minimums of both rows
 * dot    [8 blocks] two words: 4 scales, 4 minimums
 */
function packSuperBlocks(
  rows: readonly (DataView | undefined)[],
  { count, bytes: size }: Blocks,
  out: Uint32Array,
): void {
  const halves = new Uint16Array(out.buffer, out.byteOffset, out.length * 2);
  const bytes = new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
  const words = rows.length * 5; // of a superblock
  const pairs = rows.length === 8;
  for (let block = 0; block < count; block++) {
    rows.forEach((view, row) => {
      const from = block * size;
      halves[block * words * 2 + row] = view?.getUint16(from, true) ?? 0;
      halves[block * words * 2 + rows.length + row] = view?.getUint16(from + 2, true) ?? 0;
      const start = block * words * 4 + rows.length * 4;
      for (let part = 0; part < 8; part++) {
        const { scale, minimum } = view ? sixBits(view, from + 4, part) : { scale: 0, minimum: 0 };
        const at = start + part * rows.length * 2 + (pairs ? (row >> 1) * 4 + (row & 1) : row);
        bytes[at] = scale;
        bytes[at + (pairs ? 2 : 4)] = minimum;
      }
    });
  }
}

/** [K padded to 4][4 rows] float32 or float16. */
function packFloats(
  type: TensorType,
  { weights }: FloatForm,
  rows: readonly RowBytes[],
  cols: number,
  out: Uint32Array,
): void {
  const target = weights === 'f32' ? out : new Uint16Array(out.buffer, out.byteOffset, out.length * 2);
  const bytes = QUANT_FORMATS[type].bytes;
  target.fill(0);
  rows.forEach((row, r) => {
    if (!row) return;
    const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
    for (let k = 0; k < cols; k++) {
      if (type === 'F32') target[4 * k + r] = view.getUint32(k * bytes, true);
      else if (type === 'BF16') target[4 * k + r] = view.getUint16(k * bytes, true) << 16;
      else target[4 * k + r] = view.getUint16(k * bytes, true);
    }
  });
}
