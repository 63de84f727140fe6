import { readFileSync } from 'node:fs';
import type { SourceMatrix } from '../../backends/backend.ts';
import type { SourceType } from '../../kernels/source-formats.ts';

interface Tensor {
  readonly dtype: SourceType; // named alike, but for types that no golden has
  readonly shape: readonly number[];
  readonly data_offsets: readonly [from: number, to: number];
}

/** u64 header length, JSON header, data. */
function readHeader(file: Buffer): { start: number; tensors: Record<string, Tensor> } {
  const start = 8 + Number(file.readBigUInt64LE(0));
  return { start, tensors: JSON.parse(file.toString('utf8', 8, start)) };
}

/** Reads the float32 tensors of a safetensors file. */
export function readSafetensors(path: string): (name: string) => Float32Array {
  const file = readFileSync(path);
  const { start, tensors } = readHeader(file);
  return (name) => {
    const [from, to] = tensors[name]!.data_offsets;
    return new Float32Array(Uint8Array.from(file.subarray(start + from, start + to)).buffer);
  };
}

type Range = Extract<SourceMatrix, { op: 'range' }>;

/** The tensors of a safetensors file as ranges of it; all dimensions but the last are rows. */
export function safetensorsRanges(path: string): (name: string) => Range | undefined {
  const { start, tensors } = readHeader(readFileSync(path));
  return (name) => {
    const tensor = tensors[name];
    if (!tensor) return undefined;
    const { dtype: type, shape, data_offsets: offsets } = tensor;
    const cols = shape.at(-1) ?? 1;
    const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
    return { op: 'range', at: { path, offset: start + offsets[0] }, type, rows, cols };
  };
}
