/**
 * Converts weights to another type: in WebAssembly (kernels/wasm/encode.ts) where it has both types, else by the
 * reference. Types up to Q5_1 get the same bytes from both.
 */
import { readFileSync } from 'node:fs';
import { QUANT_FORMATS, type TensorType } from '../kernels/quant-formats.ts';
import { quantize } from '../kernels/reference/quantize.ts';
import { decode, type SourceType, sourceFormat } from '../kernels/source-formats.ts';
import * as layout from '../kernels/wasm/encode-layout.ts';
import { compileModule, missingModule, moduleUrl } from './wasm-compiler.ts';

/** Reads `from` type numbers and writes `to` ones; `importance` of each column, for the K types. */
export interface Conversion {
  readonly from: SourceType;
  readonly to: TensorType;
  readonly importance?: Float32Array;
}

const { TILE } = layout;
const FROM: Partial<Record<SourceType, number>> = { F32: layout.F32, F16: layout.F16, BF16: layout.BF16 };
const { F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K } = layout;
const TO: Partial<Record<TensorType, number>> = {
  ...{ F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K },
};
/** Numbers that a call of the kernel handles are a multiple of this. */
const UNIT = 256;

interface Kernel {
  readonly memory: Uint8Array;
  encode(from: number, to: number, count: number, weighted: number): number;
}

let kernel: Kernel | undefined;

/** Converts whole blocks. Throws RangeError for a type that kernels/reference/quantize.ts does not write. */
export function convert(conversion: Conversion, bytes: Uint8Array<ArrayBuffer>, into: Uint8Array): void {
  const from = sourceFormat(conversion.from);
  const to = QUANT_FORMATS[conversion.to];
  const numbers = (bytes.length / from.bytes) * from.elements;
  const fast = FROM[conversion.from] !== undefined && TO[conversion.to] !== undefined;
  for (let first = 0; first < numbers; ) {
    const left = numbers - first;
    const count = fast ? (left < UNIT ? left : Math.min(TILE, left - (left % UNIT))) : left;
    const part = bytes.subarray(
      (first / from.elements) * from.bytes,
      ((first + count) / from.elements) * from.bytes,
    );
    const out = into.subarray((first / to.elements) * to.bytes, ((first + count) / to.elements) * to.bytes);
    const weights = conversion.importance && columnsFrom(conversion.importance, first, count);
    if (!fast || count % UNIT !== 0 || !encoded(conversion, part, out, weights)) {
      quantize(conversion.to, decode(conversion.from, part), out, weights);
    }
    first += count;
  }
}

/** The importance of each of `count` numbers from number `first` on; rows have as many columns as there are importances. */
function columnsFrom(importance: Float32Array, first: number, count: number): Float32Array {
  const columns = new Float32Array(count);
  for (let at = 0; at < count; ) {
    const column = (first + at) % importance.length;
    const run = importance.subarray(column, column + count - at);
    columns.set(run, at);
    at += run.length;
  }
  return columns;
}

/** False if the kernel left the numbers to the reference. */
function encoded(
  { from, to }: Conversion,
  part: Uint8Array,
  out: Uint8Array,
  importance: Float32Array | undefined,
): boolean {
  kernel ??= instantiated();
  const { memory } = kernel;
  const count = part.length / sourceFormat(from).bytes;
  memory.set(part, layout.SOURCE);
  if (importance) {
    memory.set(
      new Uint8Array(importance.buffer, importance.byteOffset, importance.byteLength),
      layout.IMPORTANCE,
    );
  }
  if (!kernel.encode(FROM[from]!, TO[to]!, count, importance ? 1 : 0)) return false;
  out.set(memory.subarray(layout.ENCODED, layout.ENCODED + out.length));
  return true;
}

function instantiated(): Kernel {
  const url = moduleUrl('encode.wasm');
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = readFileSync(url);
  } catch (cause) {
    throw missingModule(url, cause);
  }
  const memory = new WebAssembly.Memory({ initial: layout.ENCODER_BYTES / 65536 });
  const { exports } = new WebAssembly.Instance(compileModule(bytes), { env: { memory } });
  return { memory: new Uint8Array(memory.buffer), encode: exports.encode as Kernel['encode'] };
}
