import { rowBytes, type TensorType, tensorTypeOf } from '../../kernels/quant-formats.ts';
import { type Header, quoted } from './header.ts';
import type { GgufTensor } from './types.ts';

const MAX_DIMENSIONS = 4; // GGML_MAX_DIMS
const CONVERT = 'Convert or quantize the model again, to a type such as Q4_0, Q8_0 or F16.';

/** Smallest directory entry in bytes: name length, number of dimensions, type, offset. */
export const ENTRY_BYTES = 8 + 4 + 4 + 8;

/**
 * Reads the tensor directory, `count` entries. Checks that every tensor is aligned and does not overlap another, and of
 * a `whole` file that it is within the file. The data starts at the first multiple of `alignment` after the directory.
 */
export function readTensors(
  header: Header,
  count: number,
  alignment: number,
  whole: boolean,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (let i = 0; i < count; i++) {
    header.reading = `tensor ${i + 1} of ${count}`;
    const name = header.name('tensor', tensors);
    tensors.set(name, readTensor(header, name, alignment));
  }
  const dataStart = Math.ceil(header.position / alignment) * alignment;
  for (const [name, tensor] of tensors) tensors.set(name, { ...tensor, offset: dataStart + tensor.offset });
  checkRanges(header, [...tensors.values()], whole ? header.fileBytes : Number.POSITIVE_INFINITY);
  return tensors;
}

/** One entry; its offset is still relative to the start of the tensor data. */
function readTensor(header: Header, name: string, alignment: number): GgufTensor {
  const shape = readShape(header);
  const type = readType(header);
  const bytes = rowBytes(type, shape[0]!) * shape.slice(1).reduce((rows, size) => rows * size, 1);
  if (Number.isNaN(bytes)) {
    header.fail(`rows of whole ${type} blocks`, `rows of ${shape[0]} weights`, { hint: CONVERT });
  }
  const offset = header.u64();
  if (offset % alignment !== 0) header.fail(`an offset that is a multiple of ${alignment}`, `${offset}`);
  return { name, type, shape, offset, bytes };
}

/** A scalar, which has no dimension, is a vector of one. A tensor may be empty. */
function readShape(header: Header): number[] {
  const dimensions = header.u32();
  if (dimensions > MAX_DIMENSIONS) header.fail('at most 4 dimensions', `${dimensions}`);
  if (dimensions === 0) return [1];
  const shape = Array.from({ length: dimensions }, () => header.u64());
  const weights = shape.reduce((product, size) => product * size, 1);
  if (!(weights <= Number.MAX_SAFE_INTEGER)) {
    header.fail('dimensions whose product is below 2^53', shape.join(' x '));
  }
  return shape;
}

function readType(header: Header): TensorType {
  const id = header.u32();
  return (
    tensorTypeOf(id) ??
    header.fail('a tensor type of ggml that percept knows', `type number ${id}`, {
      hint: CONVERT,
      fault: 'unsupported',
    })
  );
}

function checkRanges(header: Header, tensors: readonly GgufTensor[], fileBytes: number): void {
  let previous: GgufTensor | undefined;
  for (const tensor of tensors.filter(({ bytes }) => bytes > 0).toSorted((a, b) => a.offset - b.offset)) {
    header.reading = `tensor ${quoted(tensor.name)}`;
    const end = tensor.offset + tensor.bytes;
    if (end > fileBytes) {
      header.fail(`a file of ${end} bytes or more`, `${fileBytes} bytes, too few for the tensor's data`, {
        fault: 'cut',
      });
    }
    if (previous && tensor.offset < previous.offset + previous.bytes) {
      header.fail('tensors that do not overlap', `data that starts inside that of ${quoted(previous.name)}`);
    }
    previous = tensor;
  }
}
