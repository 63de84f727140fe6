/** Content of a GGUF file, as read from its header; tensor bytes stay in the file. */
import type { SourceMatrix } from '../../backends/backend.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';

export type GgufScalar = number | bigint | boolean | string;
/** Numeric arrays are typed arrays; strings stay undecoded bytes until they are read (vocabularies are large). */
export type GgufArray = GgufStrings | ArrayLike<number> | readonly bigint[] | readonly GgufValue[];
export type GgufValue = GgufScalar | GgufArray;

/** An array of strings kept as UTF-8 bytes: string i is bytes[offsets[i] .. offsets[i] + lengths[i]). */
export interface GgufStrings {
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly longest: number; // bytes
  at(i: number): string;
}

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[]; // ggml order: shape[0] = columns (contiguous), shape[1] = rows, ...
  readonly offset: number; // bytes from the start of the file
  readonly bytes: number;
  readonly part?: string; // path of its file, if that is not the first of a split model
  /** How to read it, [all other dimensions, columns], where it is no run of bytes of its own. */
  readonly source?: SourceMatrix;
}

export interface Gguf {
  readonly path: string;
  readonly version: number;
  readonly fileBytes: number;
  readonly alignment: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** The bytes of each value in the file: its type, then itself. */
  readonly metadataAt?: ReadonlyMap<string, { readonly offset: number; readonly bytes: number }>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}
