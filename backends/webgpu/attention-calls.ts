/** Calls of attention: store the step's keys and values, attend over splits of the keys, merge the splits. */
import type { AttentionOp, Limits, Program, RopeSpec } from '../backend.ts';
import { kvOf } from '../ops.ts';
import type { GpuArray } from './arrays.ts';
import type { KernelCall, Mode, StepSizes } from './kernel-call.ts';
import { type Cache, cacheType, sequenceBytes, widestOf } from './states.ts';
import type { Tuning } from './tuning.ts';
import type { Rounded, View } from './values.ts';

/** Most splits of the keys, in steps of one token a slice: enough to fill a GPU. */
const MOST_SPLITS = 32;

export interface Attention {
  readonly op: AttentionOp;
  readonly limits: Limits;
  readonly cache: Cache;
  readonly q: View;
  readonly k?: View; // without k and v, an earlier op stores them
  readonly v?: View;
  readonly sinks?: GpuArray;
  readonly rope?: { readonly spec: RopeSpec; readonly angles: GpuArray };
  readonly states: GpuArray;
  readonly weights?: GpuArray; // of the only token of a traced step, [heads][positions it sees]
  readonly out: View | Rounded;
  readonly step: GpuArray;
}

/** Whether slices have one token each: attention then stores it itself, and splits of the keys fill the device. */
function onePerSlice(mode: Mode): boolean {
  return mode === 'single' || mode === 'traced' || mode === 'batch';
}

/** Bytes of the states that attention leaves for the merge, for all rows of a step. */
export function stateBytes(op: AttentionOp, { states, limits }: Program): number {
  const { maxTokens, sequences } = limits;
  const rows = Math.max(maxTokens, Math.min(sequences, maxTokens) * MOST_SPLITS) * op.heads;
  return rows * (1 + Math.ceil(kvOf(op, states).valueDim / 4)) * 16;
}

/**
 * Keys of one workgroup, and the number of splits of the longest sequence of a step.
 * @param length of that sequence
 * @param headDim of the widest heads of the program
 */
export function splitKeys(
  mode: Mode,
  length: number,
  { headDim, contextLength }: { readonly headDim: number; readonly contextLength: number },
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
  return onePerSlice(mode) || !attention.k ? calls : [storeCall(attention, tuning), ...calls];
}

function attentionThreads(headDim: number, tuning: Tuning): number {
  return Math.max(tuning.workgroup, 2 ** Math.ceil(Math.log2(Math.max(1, headDim / 4))));
}

function cacheConstants({ cache, limits, k, v, rope }: Attention): Record<string, number> {
  const { kvHeads, keyDim: D, valueDim: E } = cache.shape;
  return {
    KV_HEADS: kvHeads,
    D,
    D4: Math.ceil(D / 4),
    E,
    E4: Math.ceil(E / 4),
    POSITIONS: limits.contextLength,
    PAIRS: rope?.spec.inverseFrequencies.length ?? 0,
    ...(k && { K_STRIDE: k.stride, K_OFFSET: k.offset }),
    ...(v && { V_STRIDE: v.stride, V_OFFSET: v.offset }),
  };
}

/** Positions that a token sees; all of the context without a window. */
function windowOf({ op, limits }: Attention): number {
  return Math.min(op.window ?? limits.contextLength, limits.contextLength);
}

function cacheDefinitions({ limits, rope }: Attention, stores: boolean) {
  return { CACHE: cacheType(limits.kvType), ROPE: rope?.spec.layout ?? 'none', STORES: stores };
}

function cacheBindings({ k, v, cache, rope, step }: Attention): KernelCall['bindings'] {
  return {
    ...{ 0: step, 4: cache.keys, 5: cache.values },
    ...(k && { 2: k.array }),
    ...(v && { 3: v.array }),
    ...(rope && { 6: rope.angles }),
  };
}

function storeCall(attention: Attention, tuning: Tuning): KernelCall {
  const { kvHeads } = attention.cache.shape;
  const threads = kvHeads * Math.ceil(widestOf(attention.cache.shape) / 4);
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
  const { op, q, states } = attention;
  const { kvHeads, keyDim } = attention.cache.shape;
  const group = op.heads / kvHeads;
  const tiles = ({ slices }: StepSizes) =>
    slices.reduce((sum, { count }) => sum + Math.ceil((count * group) / 4), 0);
  return {
    kernel: 'attention',
    definitions: {
      ...cacheDefinitions(attention, onePerSlice(mode) && attention.k !== undefined),
      ...{ SUBGROUPS: tuning.subgroupSize > 0, WINDOWED: op.window !== undefined },
      ...{ WHOLE: op.causal === false, CAPPED: op.softcap !== undefined },
    },
    constants: {
      ...cacheConstants(attention),
      WG: attentionThreads(widestOf(attention.cache.shape), tuning),
      HEADS: op.heads,
      SPLITS: onePerSlice(mode) ? MOST_SPLITS : 1,
      SCALE: op.scale,
      ...(op.softcap !== undefined && { SOFTCAP: op.softcap }),
      WINDOW: windowOf(attention),
      Q_STRIDE: q.stride,
      Q_OFFSET: q.offset,
    },
    bindings: { ...cacheBindings(attention), 1: q.array, 7: states },
    grid: (sizes) => [sizes.splits, tiles(sizes), kvHeads],
    work: ({ tokens, attended }) => {
      const seen = Math.min(attended, tokens * windowOf(attention));
      return {
        bytes: (2 * keyBytes(attention, seen)) / Math.max(1, tokens / 4),
        macs: 2 * seen * op.heads * keyDim,
      };
    },
  };
}

function merge(attention: Attention, mode: Mode, tuning: Tuning): KernelCall {
  const { op, cache, states, sinks, out, step } = attention;
  const D = cache.shape.valueDim;
  const D4 = Math.ceil(D / 4);
  const rounded = 'codes' in out;
  const width = op.heads * D;
  return {
    kernel: 'attention-merge',
    definitions: { ROUNDED: rounded, PACKED_DOT: tuning.packedDot, SINKS: sinks !== undefined },
    constants: {
      WG: 2 ** Math.ceil(Math.log2(Math.max(4, D4))),
      HEADS: op.heads,
      D,
      D4,
      SPLITS: onePerSlice(mode) ? MOST_SPLITS : 1,
      WINDOW: windowOf(attention),
      OUT_STRIDE: rounded ? width : out.stride,
      OUT_OFFSET: rounded ? 0 : out.offset,
    },
    bindings: {
      ...{ 0: step, 1: states, ...(rounded ? { 2: out.codes, 3: out.scales } : { 2: out.array }) },
      ...(sinks && { 4: sinks }),
    },
    grid: ({ tokens }) => [op.heads, tokens, 1],
    work: ({ tokens }) => ({ bytes: 4 * tokens * width, macs: 0 }),
  };
}

/** Computes attention weights from the states. It must run before the next layer, which overwrites them. */
function weightsCall(attention: Attention, tuning: Tuning): KernelCall {
  const { op, q, states, sinks, weights } = attention;
  const threads = Math.max(64, tuning.workgroup);
  return {
    kernel: 'attention-weights',
    definitions: {
      ...cacheDefinitions(attention, false),
      ...{ CAPPED: op.softcap !== undefined, SINKS: sinks !== undefined },
    },
    constants: {
      ...cacheConstants(attention),
      WG: threads,
      HEADS: op.heads,
      SPLITS: MOST_SPLITS,
      SCALE: op.scale,
      ...(op.softcap !== undefined && { SOFTCAP: op.softcap }),
      WINDOW: windowOf(attention),
      Q_STRIDE: q.stride,
      Q_OFFSET: q.offset,
    },
    bindings: { ...cacheBindings(attention), 1: q.array, 7: states, 8: weights, ...(sinks && { 9: sinks }) },
    grid: ({ attended }) => [Math.ceil(attended / threads), op.heads, 1],
    work: ({ attended }) => ({
      bytes: keyBytes(attention, attended),
      macs: attended * op.heads * attention.cache.shape.keyDim,
    }),
  };
}

/** Bytes of the keys of `positions` positions. */
function keyBytes({ cache, limits }: Attention, positions: number): number {
  const { kvHeads, keyDim } = cache.shape;
  return sequenceBytes(kvHeads, keyDim, { contextLength: positions, kvType: limits.kvType });
}
