/** Weights in shared memory: their places, their layouts (kernels/wasm/repack.ts), and the jobs that load them. */
import { rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import * as layout from '../../kernels/wasm/layout.ts';
import type { WeightDesc, WeightSource } from '../backend.ts';
import { type GivenWeight, givenWeight } from '../program-weights.ts';
import type { Sentinel } from './memory.ts';
import type { LoadJob } from './threads.ts';

/** Layout of a matrix by its type in the file. Types without a layout are not supported. */
const LAYOUTS: Partial<Record<TensorType, number>> = {
  F32: layout.W_F32,
  F16: layout.W_F16,
  BF16: layout.W_BF16,
  Q4_0: layout.W_Q4_0,
  Q4_1: layout.W_Q4_1,
  Q5_0: layout.W_Q5_0,
  Q5_1: layout.W_Q5_1,
  Q8_0: layout.W_Q8_0,
  Q2_K: layout.W_Q2_K,
  Q3_K: layout.W_Q3_K,
  Q4_K: layout.W_Q4_K,
  Q5_K: layout.W_Q5_K,
  Q6_K: layout.W_Q6_K,
  IQ4_NL: layout.W_IQ4_NL,
  IQ4_XS: layout.W_IQ4_XS,
  TQ1_0: layout.W_TQ1_0,
  TQ2_0: layout.W_TQ2_0,
  MXFP4: layout.W_MXFP4,
};

/** Bytes of scratch for a row that is being repacked (kernels/wasm/repack.ts). */
export const ROW_SCRATCH = 1024;

/** Bytes of a group of 16 rows in a layout (kernels/wasm/weight-layout.ts). */
export type GroupBytes = (kind: number, cols: number) => number;

export const MATRIX_TYPES = Object.keys(LAYOUTS) as readonly TensorType[];
/** Vectors (norms, biases) are plain f32, padded to 16. */
export const VECTOR_TYPES: readonly TensorType[] = ['F32'];

/** Most bytes that a thread reads before it repacks them: they fit in the second cache level. */
const JOB_BYTES = 512 * 1024;

export interface Weight extends GivenWeight {
  readonly layout: number;
  readonly places: Map<number, WeightPlace>; // in each memory that holds it
}

/** The place of a weight in a memory. */
export interface WeightPlace {
  readonly address: number;
  readonly sentinels: readonly Sentinel[]; // after it
  readonly giveBack: () => void;
}

/** A weight with its address in one memory. */
export type PlacedWeight = Weight & Pick<WeightPlace, 'address'>;

export function isVector({ rows, experts }: WeightDesc): boolean {
  return rows === 1 && experts === undefined;
}

export function newWeight(desc: WeightDesc, source: WeightSource): Weight {
  return { ...givenWeight(desc, source), layout: LAYOUTS[desc.type] ?? -1, places: new Map() };
}

/** Gives back the memory of a weight that nothing uses. */
export function giveBackPlaces({ places }: Weight): void {
  for (const { giveBack } of places.values()) giveBack();
  places.clear();
}

/** Whether products with this matrix read int8 activations. */
export function isInteger({ layout: kind }: Weight): boolean {
  return kind >= layout.W_Q4_0;
}

/** Groups of the matrix of one expert; most weights are of one. */
export function groupsOf({ rows, experts = 1 }: WeightDesc): number {
  return Math.ceil(rows / experts / layout.GROUP);
}

/** Bytes of a weight in memory. */
export function placedBytes({ desc, layout: kind }: Weight, groupBytes: GroupBytes): number {
  if (isVector(desc)) return Math.ceil(desc.cols / 16) * 64;
  return (desc.experts ?? 1) * groupsOf(desc) * groupBytes(kind, desc.cols);
}

/** The jobs that load a weight to an address of a memory. */
export function loadJobs(
  weight: Weight,
  { memory, address }: { readonly memory: number; readonly address: number },
  groupBytes: GroupBytes,
): LoadJob[] {
  const { desc, source, layout: kind } = weight;
  const { name, type, rows, cols } = desc;
  if (isVector(desc)) {
    return [{ name, type, source, first: 0, rows, cols, bytes: 4 * cols, kind: 'copy', memory, to: address }];
  }
  const step = jobRows(desc);
  const { experts = 1 } = desc;
  const own = rows / experts; // each expert begins with a group
  const job = (expert: number, from: number): LoadJob => {
    const height = Math.min(step, own - from);
    const bytes = height * rowBytes(desc.type, cols);
    const to = address + (expert * groupsOf(desc) + from / layout.GROUP) * groupBytes(kind, cols);
    return { name, type, source, first: expert * own + from, rows: height, cols, bytes, kind, memory, to };
  };
  const jobs = Math.ceil(own / step); // of an expert
  return Array.from({ length: experts * jobs }, (_, i) => job(Math.floor(i / jobs), (i % jobs) * step));
}

/** Bytes of a thread's staging area for these weights: scratch for a row, then the rows of the largest job. */
export function stagingBytes(weights: readonly Weight[]): number {
  const matrices = weights.map(({ desc }) => desc).filter((desc) => !isVector(desc));
  const jobs = matrices.map((desc) => Math.min(desc.rows, jobRows(desc)) * rowBytes(desc.type, desc.cols));
  return ROW_SCRATCH + Math.max(0, ...jobs);
}

/** Rows of a matrix that one job loads. */
function jobRows({ type, cols }: WeightDesc): number {
  return layout.GROUP * Math.max(1, Math.floor(JOB_BYTES / (rowBytes(type, cols) * layout.GROUP)));
}
