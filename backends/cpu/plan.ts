/**
 * Where everything of one program but its weights lies in one memory: step arrays, activations, tables, KV cache and
 * the scratch of each thread. Addresses and strides are bytes; rows of buffers are padded to 16 floats.
 */
import * as layout from '../../kernels/wasm/layout.ts';
import type { AttentionOp, KvShape, Program, RopeSpec } from '../backend.ts';
import type { MatmulPhase, Phase } from '../fuse.ts';
import { usesOf } from '../phase-uses.ts';
import { AddressSpace } from './memory.ts';
import { type Sentinel, shifted } from './sentinels.ts';
import { isInteger, type Weight } from './weights.ts';

const { BLOCK, CHUNK, GROUP, QUERY_BLOCK, SCALE_BYTES, TILE } = layout;

export interface KvPlan {
  readonly type: number; // KV_F32, KV_F16 or KV_Q8
  readonly positions: number; // context length, padded to whole chunks
  readonly keys: CacheRun;
  readonly values: CacheRun;
  readonly valueScales: CacheRun; // of q8
  readonly sequenceBytes: number; // from one sequence to the next
}

/** Keys or values of layer 0, sequence 0; the other layers follow. */
export interface CacheRun {
  readonly address: number;
  readonly chunkBytes: number;
  readonly layerBytes: number;
}

/** Offsets within a thread's scratch. */
export interface ScratchPlan {
  readonly row: number;
  readonly smallInt: number;
  readonly smallF32: number;
  readonly panel: number;
  readonly panelBytes: number; // of one segment
  readonly attention: number;
  readonly bytes: number;
  readonly sentinels: readonly Sentinel[];
}

export interface Plan {
  readonly buffers: readonly { address: number; stride: number }[]; // those in use; address 0 for the others
  readonly tokenIds: number;
  readonly positions: number;
  readonly outputRows: number;
  readonly sliceList: number;
  readonly tokenKv: number;
  readonly sharedInt: number; // activation tiles
  readonly sharedF32: number;
  readonly partials: number; // attention states of chunks
  readonly finished: number;
  readonly attentionWeights: number; // f32 [layers here][heads][kv.positions], of programs compiled for them
  readonly queryBytes: number; // of a tile of 4 rows of attention
  readonly ropes: ReadonlyMap<RopeSpec, number>; // f32 [position][pairs]{cos, sin}
  readonly table: number; // of phases
  readonly kv: KvPlan;
  readonly scratch: ScratchPlan;
  readonly arenaBytes: number;
  readonly kvBytes: number;
}

/** Where the weights of an attention op stand; its layer is numbered within its memory. */
export function attentionWeightsAt({ attentionWeights, kv }: Plan, { layer, heads }: AttentionOp): number {
  return attentionWeights + 4 * layer * heads * kv.positions;
}

type WeightOf = (id: number) => Weight;

/** Records of a phase in the table at most: two, and an end where another memory goes on. */
const RECORDS = 3;

/** Plans everything but weights and scratch, for the phases that run in this memory. */
export function planMemory(
  program: Program,
  phases: readonly Phase[],
  weight: WeightOf,
  space: AddressSpace,
): Plan {
  const start = space.used;
  const T = program.maxTokens;
  const words = (count: number, name: string) => space.allocate(4 * count, name);
  const uses = phases.map(usesOf);
  const used = new Set(uses.flatMap(({ reads, writes }) => [...reads, ...writes]));
  const sizes = matmulSizes(program, phases, weight);
  const tiles = Math.ceil(T / TILE);
  const attention = attentionSizes(program, phases);
  const step = {
    tokenIds: words(T, 'token ids'),
    positions: words(T, 'positions'),
    outputRows: words(T, 'output rows'),
    tokenKv: words(T, 'cache offsets'),
    sliceList: words(4 * T, 'slices'),
    sharedInt: space.allocate(tiles * TILE * intBytes(sizes.intCols), 'int8 activation tiles'),
    sharedF32: space.allocate(tiles * TILE * 4 * sizes.floatCols, 'float activation tiles'),
    partials: space.allocate(attention.partialBytes, 'attention states'),
    finished: words(program.kv.sequences * program.kv.kvHeads, 'finished tasks of attention'),
    attentionWeights: words(attention.weightRows * paddedContext(program.kv), 'attention weights'),
    buffers: program.buffers.map((cols, buffer) => {
      const stride = Math.ceil(cols / 16) * 64;
      return { address: used.has(buffer) ? space.allocate(T * stride, `buffer ${buffer}`) : 0, stride };
    }),
    ropes: planRopes(program, new Set(uses.flatMap(({ rope }) => rope ?? [])), space),
    table: space.allocate(RECORDS * phases.length * layout.PHASE_BYTES, 'phases'),
  };
  const beforeKv = space.used;
  const kv = planKv(program, space);
  const scratch = planScratch(sizes, attention.scratchBytes, space.gap > 0);
  const { queryBytes } = attention;
  return { ...step, queryBytes, kv, scratch, arenaBytes: beforeKv - start, kvBytes: space.used - beforeKv };
}

/** Bytes of one token in 8 bits with its scales. */
function intBytes(cols: number): number {
  return cols + (cols / BLOCK) * SCALE_BYTES;
}

function planRopes(
  { kv }: Program,
  ropes: ReadonlySet<RopeSpec>,
  space: AddressSpace,
): ReadonlyMap<RopeSpec, number> {
  const bytes = ({ inverseFrequencies }: RopeSpec) => kv.contextLength * inverseFrequencies.length * 8;
  return new Map(ropes.values().map((rope) => [rope, space.allocate(bytes(rope), 'angles')]));
}

/** Positions of a sequence in whole chunks. */
function paddedContext({ contextLength }: KvShape): number {
  return Math.ceil(contextLength / CHUNK) * CHUNK;
}

/** Layout: kernels/wasm/kv-cache.ts. */
function planKv({ kv }: Program, space: AddressSpace): KvPlan {
  const positions = paddedContext(kv);
  const chunks = positions / CHUNK;
  const type = kvType(kv);
  const bytes = chunkBytes(type, kv.headDim);
  const runBytes = (chunkBytes: number) => kv.layers * kv.kvHeads * chunks * chunkBytes;
  const sequence = new AddressSpace(0, space.gap > 0);
  const run = (name: 'keys' | 'values' | 'valueScales'): CacheRun => {
    const address = sequence.allocate(runBytes(bytes[name]), name);
    return { address, chunkBytes: bytes[name], layerBytes: kv.kvHeads * chunks * bytes[name] };
  };
  const [keys, values, valueScales] = [run('keys'), run('values'), run('valueScales')];
  const address = space.allocate(kv.sequences * sequence.used, 'cache');
  for (let seq = 0; seq < kv.sequences; seq++) {
    const prefix = `cache of sequence ${seq}: `;
    space.sentinels.push(...shifted(sequence.sentinels, address + seq * sequence.used, prefix));
  }
  const placed = (run: CacheRun) => ({ ...run, address: address + run.address });
  return {
    type,
    positions,
    keys: placed(keys),
    values: placed(values),
    valueScales: placed(valueScales),
    sequenceBytes: sequence.used,
  };
}

function kvType({ type = 'f32', headDim }: KvShape): number {
  if (type === 'q8') return layout.KV_Q8;
  return type === 'f16' && headDim % 2 === 0 ? layout.KV_F16 : layout.KV_F32; // halves lie in pairs of dimensions
}

/** Bytes of the keys, the values and their scales of CHUNK positions of a head. */
function chunkBytes(type: number, headDim: number): Record<'keys' | 'values' | 'valueScales', number> {
  const keyBlocks = Math.ceil(headDim / BLOCK);
  const valueBlocks = Math.ceil(headDim / 16);
  if (type === layout.KV_Q8)
    return {
      keys: CHUNK * keyBlocks * (BLOCK + 4),
      values: CHUNK * 16 * valueBlocks,
      valueScales: CHUNK * 4,
    };
  const bytes = type === layout.KV_F16 ? 2 : 4;
  return { keys: CHUNK * headDim * bytes, values: CHUNK * 16 * valueBlocks * bytes, valueScales: 0 };
}

interface MatmulSizes {
  readonly cols: number; // longest row of activations
  readonly intCols: number; // of those read in 8 bits
  readonly floatCols: number;
  readonly panelBytes: number;
}

function matmulSizes(program: Program, phases: readonly Phase[], weight: WeightOf): MatmulSizes {
  const sizes = { cols: 0, intCols: 0, floatCols: 0, panelBytes: 0 };
  for (const phase of phases) {
    if (phase.kind === 'embed') {
      sizes.panelBytes = Math.max(sizes.panelBytes, intPanelBytes(program.buffers[phase.op.out]!));
    }
    if (phase.kind !== 'matmul') continue;
    const K = program.buffers[phase.x]!;
    const { int8, f32 } = formsOf(phase, weight);
    sizes.cols = Math.max(sizes.cols, K);
    if (int8) {
      sizes.intCols = Math.max(sizes.intCols, K);
      sizes.panelBytes = Math.max(sizes.panelBytes, intPanelBytes(K));
    }
    if (f32) {
      sizes.floatCols = Math.max(sizes.floatCols, K);
      sizes.panelBytes = Math.max(sizes.panelBytes, 4 * GROUP * (K + 1)); // half types come in pairs of k
    }
  }
  return sizes;
}

/** Two planes of codes where dot products saturate; a scale and a minimum of each row for every 16 k. */
function intPanelBytes(K: number): number {
  return 2 * GROUP * K + Math.ceil(K / 16) * GROUP * 8;
}

/** The forms of x that the matrices of a phase read. */
export function formsOf(phase: MatmulPhase, weight: WeightOf): { int8: boolean; f32: boolean } {
  const integer = phase.products.map((product) => isInteger(weight(product.weight)));
  return { int8: integer.includes(true), f32: integer.includes(false) };
}

interface AttentionSizes {
  readonly queryBytes: number; // of a tile of 4 rows
  readonly scratchBytes: number;
  readonly partialBytes: number;
  readonly weightRows: number; // of attention weights
}

/** Scratch of the widest attention, and the states of all chunks of steps of single tokens (attention.ts). */
function attentionSizes({ kv, attention = false }: Program, phases: readonly Phase[]): AttentionSizes {
  const heads = phases.map((phase) => (phase.kind === 'attention' ? phase.op.heads : 0));
  const group = Math.max(0, ...heads) / kv.kvHeads;
  const stateBytes = 32 + Math.ceil(kv.headDim / 16) * 256;
  const coded = intBytes(Math.ceil(kv.headDim / BLOCK) * BLOCK);
  const queryBytes = kv.type === 'q8' ? TILE * coded : TILE * 4 * kv.headDim;
  const tiles = Math.ceil((QUERY_BLOCK * group) / TILE);
  const chunks = paddedContext(kv) / CHUNK;
  return {
    queryBytes,
    scratchBytes: layout.CHUNK_SCRATCH + stateBytes + tiles * (queryBytes + stateBytes),
    weightRows: attention ? heads.reduce((sum, count) => sum + count, 0) : 0,
    partialBytes: kv.sequences * kv.kvHeads * chunks * Math.ceil(group / TILE) * stateBytes,
  };
}

function planScratch(
  { cols, intCols, floatCols, panelBytes }: MatmulSizes,
  attentionBytes: number,
  withSentinels: boolean,
): ScratchPlan {
  const space = new AddressSpace(0, withSentinels);
  const few = layout.TILED_ROWS - 1; // tokens a thread prepares for itself
  const offsets = {
    row: space.allocate(Math.ceil(cols / 16) * 64, 'row'),
    smallInt: space.allocate(few * intBytes(intCols), 'int8 activations'),
    smallF32: space.allocate(few * 4 * floatCols, 'float activations'),
    panel: space.allocate(512 + 2 * panelBytes, 'panels'), // results of a tile of two segments, then their panels
    attention: space.allocate(attentionBytes, 'attention'),
  };
  return { ...offsets, panelBytes, bytes: space.used, sentinels: space.sentinels };
}
