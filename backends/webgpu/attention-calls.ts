/** Calls of attention: keep the step's keys and values, attend over runs of keys, put the runs together. */
import type { AttentionOp, KvShape, RopeSpec } from '../backend.ts';
import type { GpuArray } from './arrays.ts';
import type { KernelCall, Mode, StepSizes } from './kernel-call.ts';
import type { Tuning } from './tuning.ts';
import type { Rounded, View } from './values.ts';

/** Runs of keys in steps of one token a slice: enough to fill a GPU. */
const MOST_SPLITS = 32;

export interface Cache {
  readonly keys: GpuArray;
  readonly values: GpuArray;
}

export interface Attention {
  readonly op: AttentionOp;
  readonly kv: KvShape;
  readonly cache: Cache;
  readonly q: View;
  readonly k: View;
  readonly v: View;
  readonly rope?: { readonly spec: RopeSpec; readonly angles: GpuArray };
  readonly states: GpuArray;
  readonly weights?: GpuArray; // of the only token of a traced step, [heads][positions it sees]
  readonly out: View | Rounded;
  readonly step: GpuArray;
}

/** Steps of one token a slice keep it in the cache while they attend; runs of keys fill the device. */
function onePerSlice(mode: Mode): boolean {
  return mode === 'single' || mode === 'traced' || mode === 'batch';
}

/** Bytes of one layer's keys, and of its values. */
export function cacheBytes({ kvHeads, headDim, sequences, contextLength, type }: KvShape): number {
  return sequences * kvHeads * contextLength * Math.ceil(headDim / 4) * (cacheType(type) === 'f32' ? 16 : 8);
}

/** Eight bits are kept as float16: as precise as asked for, and more. */
export function cacheType(type: KvShape['type']): 'f32' | 'f16' {
  return type === 'f32' || type === undefined ? 'f32' : 'f16';
}

/** Bytes of the states of a step's rows between attention and merge. */
export function stateBytes({ headDim, sequences }: KvShape, heads: number, maxTokens: number): number {
  const rows = Math.max(maxTokens, Math.min(sequences, maxTokens) * MOST_SPLITS) * heads;
  return rows * (1 + Math.ceil(headDim / 4)) * 16;
}

/** Keys that one workgroup takes, and how many runs that makes of the longest sequence of a step. */
export function splitKeys(
  mode: Mode,
  length: number,
  { headDim, contextLength }: KvShape,
  tuning: Tuning,
): { keys: number; splits: number } {
  if (!onePerSlice(mode)) return { keys: contextLength, splits: 1 };
  const chunk = 4 * attentionThreads(headDim, tuning);
  const keys = chunk * Math.ceil(length / (chunk * MOST_SPLITS));
  return { keys, splits: Math.ceil(length / keys) };
}

export function attentionCalls(attention: Attention, mode: Mode, tuning: Tuning): KernelCall[] {
  const calls = [attend(attention, mode, tuning), merge(attention, mode, tuning)];
  if (mode === 'traced') return [...calls, weightsCall(attention, tuning)];
  return onePerSlice(mode) ? calls : [storeCall(attention, tuning), ...calls];
}

function attentionThreads(headDim: number, tuning: Tuning): number {
  return Math.max(tuning.workgroup, 2 ** Math.ceil(Math.log2(Math.max(1, headDim / 4))));
}

function cacheConstants({ kv, k, v, rope }: Attention): Record<string, number> {
  return {
    KV_HEADS: kv.kvHeads,
    D: kv.headDim,
    D4: Math.ceil(kv.headDim / 4),
    POSITIONS: kv.contextLength,
    PAIRS: rope?.spec.inverseFrequencies.length ?? 0,
    K_STRIDE: k.stride,
    K_OFFSET: k.offset,
    V_STRIDE: v.stride,
    V_OFFSET: v.offset,
  };
}

function cacheDefinitions({ kv, rope }: Attention, stores: boolean) {
  return { CACHE: cacheType(kv.type), ROPE: rope?.spec.layout ?? 'none', STORES: stores };
}

function cacheBindings({ k, v, cache, rope, step }: Attention): Record<number, GpuArray> {
  const bindings = { 0: step, 2: k.array, 3: v.array, 4: cache.keys, 5: cache.values };
  return rope ? { ...bindings, 6: rope.angles } : bindings;
}

function storeCall(attention: Attention, tuning: Tuning): KernelCall {
  const { kvHeads, headDim } = attention.kv;
  const threads = kvHeads * Math.ceil(headDim / 4);
  return {
    kernel: 'kv-store',
    definitions: cacheDefinitions(attention, true),
    constants: { ...cacheConstants(attention), WG: tuning.workgroup },
    bindings: cacheBindings(attention),
    grid: ({ tokens }) => [Math.ceil(threads / tuning.workgroup), tokens, 1],
    work: ({ tokens }) => ({ bytes: tokens * threads * 4 * 4 * 4, macs: 0 }),
  };
}

function attend(attention: Attention, mode: Mode, tuning: Tuning): KernelCall {
  const { op, kv, q, states } = attention;
  const group = op.heads / kv.kvHeads;
  const tiles = ({ slices }: StepSizes) =>
    slices.reduce((sum, { count }) => sum + Math.ceil((count * group) / 4), 0);
  return {
    kernel: 'attention',
    definitions: { ...cacheDefinitions(attention, onePerSlice(mode)), SUBGROUPS: tuning.subgroupSize > 0 },
    constants: {
      ...cacheConstants(attention),
      WG: attentionThreads(kv.headDim, tuning),
      HEADS: op.heads,
      SPLITS: onePerSlice(mode) ? MOST_SPLITS : 1,
      SCALE: op.scale,
      Q_STRIDE: q.stride,
      Q_OFFSET: q.offset,
    },
    bindings: { ...cacheBindings(attention), 1: q.array, 7: states },
    grid: (sizes) => [sizes.splits, tiles(sizes), kv.kvHeads],
    work: ({ tokens, attended }) => ({
      bytes: (cacheBytes({ ...kv, sequences: 1, contextLength: attended }) * 2) / Math.max(1, tokens / 4),
      macs: 2 * attended * op.heads * kv.headDim,
    }),
  };
}

function merge({ op, kv, states, out, step }: Attention, mode: Mode, tuning: Tuning): KernelCall {
  const D4 = Math.ceil(kv.headDim / 4);
  const rounded = 'codes' in out;
  const width = op.heads * kv.headDim;
  return {
    kernel: 'attention-merge',
    definitions: { ROUNDED: rounded, PACKED_DOT: tuning.packedDot },
    constants: {
      WG: 2 ** Math.ceil(Math.log2(Math.max(4, D4))),
      HEADS: op.heads,
      D: kv.headDim,
      D4,
      SPLITS: onePerSlice(mode) ? MOST_SPLITS : 1,
      OUT_STRIDE: rounded ? width : out.stride,
      OUT_OFFSET: rounded ? 0 : out.offset,
    },
    bindings: { 0: step, 1: states, ...(rounded ? { 2: out.codes, 3: out.scales } : { 2: out.array }) },
    grid: ({ tokens }) => [op.heads, tokens, 1],
    work: ({ tokens }) => ({ bytes: 4 * tokens * width, macs: 0 }),
  };
}

/** From the states, before another layer overwrites them. */
function weightsCall(attention: Attention, tuning: Tuning): KernelCall {
  const { op, kv, q, states, weights } = attention;
  const threads = Math.max(64, tuning.workgroup);
  return {
    kernel: 'attention-weights',
    definitions: cacheDefinitions(attention, false),
    constants: {
      ...cacheConstants(attention),
      WG: threads,
      HEADS: op.heads,
      SPLITS: MOST_SPLITS,
      SCALE: op.scale,
      Q_STRIDE: q.stride,
      Q_OFFSET: q.offset,
    },
    bindings: { ...cacheBindings(attention), 1: q.array, 7: states, 8: weights },
    grid: ({ attended }) => [Math.ceil(attended / threads), op.heads, 1],
    work: ({ attended }) => ({
      bytes: cacheBytes({ ...kv, sequences: 1, contextLength: attended }),
      macs: attended * op.heads * kv.headDim,
    }),
  };
}
