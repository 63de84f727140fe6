/**
 * Addresses of a program's buffers in one memory: step arrays, values, tables, the states of sequences and the scratch
 * of a thread. Weights are not among them. Addresses and strides are bytes; rows of values are padded to 16 floats.
 */
import * as layout from '../../kernels/wasm/layout.ts';
import type { KvShape, Limits, RopeSpec, StateId, ValueId, WeightId } from '../backend.ts';
import { type ExpertPhase, type MatmulPhase, type OpPhase, type Product, usesOf } from '../fuse.ts';
import { kvOf, type Shape, scanSizes } from '../ops.ts';
import { type KvPlan, paddedContext, planKv, planTables } from './kv-plan.ts';
import { AddressSpace, type Sentinel } from './memory.ts';
import type { MemoryProgram } from './stages.ts';
import { type PlacedValue, placeValues } from './values.ts';
import { isInteger, type Weight } from './weights.ts';

const { BLOCK, CHUNK, GROUP, QUERY_BLOCK, SCALE_BYTES, TILE } = layout;

/** A recurrent state of all sequences (kernels/wasm/layout.ts, PAST). */
export interface PastPlan {
  readonly address: number;
  readonly sequenceBytes: number; // from one sequence to the next
}

/** Offsets within a thread's scratch. */
export interface ScratchPlan {
  readonly row: number;
  readonly smallInt: number;
  readonly smallF32: number;
  readonly sorted: number;
  readonly panel: number;
  readonly panelBytes: number; // of one segment
  readonly attention: number;
  readonly scan: number;
  readonly bytes: number;
  readonly sentinels: readonly Sentinel[];
}

/** Buffers of the search for the largest logits (kernels/wasm/choose.ts), with a row for each sequence. */
export interface ChoicePlan {
  readonly list: number; // of the step
  readonly maxima: number;
  readonly partSums: number;
  readonly results: number;
}

export interface BufferPlan {
  readonly values: ReadonlyMap<ValueId, PlacedValue>;
  readonly tokenIds: number;
  readonly positions: number;
  readonly outputRows: number;
  readonly sliceList: number;
  readonly sliceSequences: number;
  readonly tokenKv: number;
  readonly sharedInt: number; // activation tiles
  readonly sharedF32: number;
  readonly partials: number; // attention states of chunks
  readonly finished: number;
  readonly choices: ChoicePlan;
  readonly attentionWeights: ReadonlyMap<ValueId, number>; // f32 [heads][kv.context]; with Limits.attention
  readonly ropes: ReadonlyMap<RopeSpec, number>; // f32 [position][pairs]{cos, sin}
  readonly table: number; // of phases
  readonly kv: KvPlan;
  readonly past: ReadonlyMap<StateId, PastPlan>;
  readonly scratch: ScratchPlan;
  readonly arenaBytes: number;
  readonly kvBytes: number;
}

type WeightOf = (id: number) => Weight;

/** Most records of a phase in the table: its own two, two of the choice after the output, and the end of a stage. */
const RECORDS = 5;

/** Allocates all buffers but the scratch, of which it returns the offsets. */
export function planBuffers(program: MemoryProgram, weight: WeightOf, space: AddressSpace): BufferPlan {
  const { phases, limits } = program;
  const start = space.used;
  const { maxTokens: T, sequences } = limits;
  const words = (count: number, name: string) => space.allocate(4 * count, name);
  const ropes = new Set(phases.flatMap((phase) => usesOf(phase).rope ?? []));
  const sizes = matmulSizes(program, weight);
  const attention = attentionSizes(program);
  const step = {
    tokenIds: words(T, 'token ids'),
    positions: words(T, 'positions'),
    outputRows: words(T, 'output rows'),
    tokenKv: words(T, 'cache offsets'),
    sliceList: words(4 * T, 'slices'),
    sliceSequences: words(sequences, 'sequences of slices'),
    sharedInt: space.allocate(sizes.sharedInt, 'int8 activation tiles'),
    sharedF32: space.allocate(sizes.sharedF32, 'float activation tiles'),
    partials: space.allocate(attention.partialBytes, 'attention states'),
    finished: words(sequences * attention.kvHeads, 'finished tasks of attention'),
    attentionWeights: planAttentionWeights(program, space),
    choices: planChoices(program, space),
    values: placeValues(program, space),
    ropes: planRopes(limits, ropes, space),
    tables: planTables(program, space),
    table: space.allocate(RECORDS * phases.length * layout.PHASE_BYTES, 'phases'),
  };
  const beforeKv = space.used;
  const { tables, ...rest } = step;
  const kv = planKv(program, tables, space);
  const past = planPast(program, weight, space);
  const scratch = planScratch(sizes, attention.scratchBytes, space.gap > 0);
  return { ...rest, kv, past, scratch, arenaBytes: beforeKv - start, kvBytes: space.used - beforeKv };
}

/** Bytes of the int8 activations of one token, with their scales. */
function intBytes(cols: number): number {
  return cols + (cols / BLOCK) * SCALE_BYTES;
}

function planRopes(
  { contextLength }: Limits,
  ropes: ReadonlySet<RopeSpec>,
  space: AddressSpace,
): ReadonlyMap<RopeSpec, number> {
  const bytes = ({ inverseFrequencies }: RopeSpec) => contextLength * inverseFrequencies.length * 8;
  return new Map(ropes.values().map((rope) => [rope, space.allocate(bytes(rope), 'angles')]));
}

/** Most positions of a sequence, in whole chunks. */
function planChoices({ shapes, output, limits }: MemoryProgram, space: AddressSpace): ChoicePlan {
  const { cols } = shapes[output]!;
  const rows = limits.sequences;
  const blocks = Math.ceil(cols / layout.CHOICE_BLOCK);
  const parts = Math.ceil(cols / layout.CHOICE_PART);
  return {
    list: space.allocate(8 * rows, 'rows to choose from'),
    maxima: space.allocate(4 * rows * blocks, 'maxima of logits'),
    partSums: space.allocate(8 * rows * parts, 'sums of logits'),
    results: space.allocate(layout.CHOICE_BYTES * rows, 'largest logits'),
  };
}

function planAttentionWeights(
  { phases, limits }: MemoryProgram,
  space: AddressSpace,
): ReadonlyMap<ValueId, number> {
  const weights = new Map<ValueId, number>();
  if (!limits.attention) return weights;
  for (const phase of phases) {
    if (phase.kind !== 'attention') continue;
    const bytes = 4 * phase.op.heads * paddedContext(limits);
    weights.set(phase.out, space.allocate(bytes, `attention weights of value ${phase.out}`));
  }
  return weights;
}

/** Whole groups of 16 columns, so that tasks on other columns write other cache lines. */
function planPast(
  program: MemoryProgram,
  weight: WeightOf,
  space: AddressSpace,
): ReadonlyMap<StateId, PastPlan> {
  const { phases, limits } = program;
  const planned = new Map<StateId, PastPlan>();
  for (const phase of phases) {
    if (phase.kind !== 'conv' && phase.kind !== 'scan') continue;
    const { state } = phase.op;
    const sequenceBytes = 4 * pastFloats(phase, program, weight);
    const address = space.allocate(limits.sequences * sequenceBytes, `state ${state}`);
    planned.set(state, { address, sequenceBytes });
  }
  return planned;
}

/** Floats of a recurrent state of one sequence. */
function pastFloats(
  { op, out }: OpPhase & { kind: 'conv' | 'scan' },
  { shapes }: MemoryProgram,
  weight: WeightOf,
): number {
  const whole = (columns: number) => GROUP * Math.ceil(columns / GROUP);
  if (op.op === 'conv') return whole(shapes[out]!.cols) * (weight(op.weight).desc.cols - 1);
  const facts = { shape: (value: ValueId) => shapes[value]!, desc: (id: WeightId) => weight(id).desc };
  const { heads, keyDim, valueDim } = scanSizes(op, facts);
  return heads * keyDim * whole(valueDim);
}

/** Bytes that the largest phases need. */
interface MatmulSizes {
  readonly row: number; // scratch: a row of activations, or scores and merits of experts
  readonly smallInt: number; // scratch: int8 rows of a step below TILED_ROWS
  readonly smallF32: number;
  readonly sharedInt: number; // int8 tiles of a step
  readonly sharedF32: number;
  readonly panelBytes: number;
  readonly sorted: number; // scratch: pairs in the order of experts
}

type SizeName = keyof MatmulSizes;

function matmulSizes({ phases, shapes, limits }: MemoryProgram, weight: WeightOf): MatmulSizes {
  const sizes = { row: 0, smallInt: 0, smallF32: 0, sharedInt: 0, sharedF32: 0, panelBytes: 0, sorted: 0 };
  const need = (name: SizeName, bytes: number) => {
    sizes[name] = Math.max(sizes[name], bytes);
  };
  const few = layout.TILED_ROWS - 1; // most tokens that each thread prepares for itself
  for (const phase of phases) {
    if (phase.kind === 'embed') need('panelBytes', intPanelBytes(shapes[phase.out]!.cols));
    if (phase.kind === 'route') need('row', 2 * 64 * Math.ceil(shapes[phase.op.x]!.cols / 16));
    if (phase.kind !== 'matmul' && phase.kind !== 'expert-matmul') continue;
    const { cols: K, experts = 1 } = weight(phase.products[0]!.weight).desc;
    const { int8, f32 } = formsOf(phase.products, weight);
    const tiles = tilesOf(phase, shapes, limits, experts);
    const rows = few * (shapes[phase.x]!.cols / K);
    need('row', 64 * Math.ceil(K / 16));
    if (phase.kind === 'expert-matmul') need('sorted', 8 + 16 * experts + 16 * tiles);
    if (int8) {
      const planes = planesOf(phase.products, weight);
      need('sharedInt', planes * TILE * tiles * intBytes(K));
      need('smallInt', planes * rows * intBytes(K));
      need('panelBytes', intPanelBytes(K));
    }
    if (f32) {
      need('sharedF32', TILE * tiles * 4 * K);
      need('smallF32', rows * 4 * K);
      need('panelBytes', 4 * GROUP * (K + 1)); // half types come in pairs of k
    }
  }
  return sizes;
}

/** Most tiles of a step; with experts, a tile of each may be partly filled. */
function tilesOf(
  phase: MatmulPhase | ExpertPhase,
  shapes: readonly Shape[],
  { maxTokens }: Limits,
  experts: number,
): number {
  if (phase.kind === 'matmul') return Math.ceil(maxTokens / TILE);
  const pairs = maxTokens * (phase.picks === undefined ? experts : shapes[phase.picks]!.cols / 2);
  return Math.floor(pairs / TILE) + Math.min(experts, pairs);
}

/** Two planes of codes, for saturating dot products; then a scale and a minimum of each row for every 16 k. */
function intPanelBytes(K: number): number {
  return 2 * GROUP * K + Math.ceil(K / 16) * GROUP * 8;
}

/** The formats in which the matrices of a phase read x. */
export function formsOf(products: readonly Product[], weight: WeightOf): { int8: boolean; f32: boolean } {
  const integer = products.map((product) => isInteger(weight(product.weight)));
  return { int8: integer.includes(true), f32: integer.includes(false) };
}

/**
 * Planes of 8 bits in which products read x. Experts in MXFP4 read two: with one, rounding moved tokens of GPT-OSS to other
 * experts (LOG.md).
 */
export function planesOf(products: readonly Product[], weight: WeightOf): 1 | 2 {
  const isFine = (id: WeightId) => weight(id).desc.type === 'MXFP4' && weight(id).desc.experts !== undefined;
  return products.some((product) => isFine(product.weight)) ? 2 : 1;
}

interface AttentionSizes {
  readonly kvHeads: number;
  readonly scratchBytes: number;
  readonly partialBytes: number;
}

/** Sizes of the largest attention. Partial states are of all chunks, in a step of single tokens (attention.ts). */
function attentionSizes({ phases, states, limits }: MemoryProgram): AttentionSizes {
  const most = { kvHeads: 0, scratchBytes: 0, partialBytes: 0 };
  for (const phase of phases) {
    if (phase.kind !== 'attention') continue;
    const shape = kvOf(phase.op, states);
    const group = phase.op.heads / shape.kvHeads;
    const stateBytes = 32 + Math.ceil(shape.valueDim / 16) * 256;
    const tiles = Math.ceil((QUERY_BLOCK * group) / TILE);
    const chunks = paddedContext(limits) / CHUNK;
    const scratch = layout.CHUNK_SCRATCH + stateBytes + tiles * (queryBytes(limits, shape) + stateBytes);
    const partials = limits.sequences * shape.kvHeads * chunks * Math.ceil(group / TILE) * stateBytes;
    most.kvHeads = Math.max(most.kvHeads, shape.kvHeads);
    most.scratchBytes = Math.max(most.scratchBytes, scratch);
    most.partialBytes = Math.max(most.partialBytes, partials);
  }
  return most;
}

/** Bytes of a tile of 4 queries. */
export function queryBytes({ kvType }: Limits, { keyDim }: KvShape): number {
  return kvType === 'q8' ? TILE * intBytes(Math.ceil(keyDim / BLOCK) * BLOCK) : TILE * 4 * keyDim;
}

function planScratch(
  { row, smallInt, smallF32, panelBytes, sorted }: MatmulSizes,
  attentionBytes: number,
  withSentinels: boolean,
): ScratchPlan {
  const space = new AddressSpace(0, withSentinels);
  const offsets = {
    row: space.allocate(row, 'row'),
    smallInt: space.allocate(smallInt, 'int8 activations'),
    smallF32: space.allocate(smallF32, 'float activations'),
    sorted: space.allocate(sorted, 'pairs of experts'),
    panel: space.allocate(layout.RESULT_BYTES + 2 * panelBytes, 'panels'),
    attention: space.allocate(attentionBytes, 'attention'),
    scan: space.allocate(2 * 4 * GROUP, 'columns of a scan'),
  };
  return { ...offsets, panelBytes, bytes: space.used, sentinels: space.sentinels };
}
