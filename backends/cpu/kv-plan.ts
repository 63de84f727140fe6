/**
 * The cache of keys and values in one memory: pages of positions, and for each sequence a table of its pages. Layout of a
 * state in a page: kernels/wasm/kv-cache.ts.
 */
import * as layout from '../../kernels/wasm/layout.ts';
import type { KvShape, KvType, Limits, StateId, StateShape } from '../backend.ts';
import { kvOf } from '../ops.ts';
import { RING_UNIT } from '../rings.ts';
import { AddressSpace } from './memory.ts';
import { shifted } from './sentinels.ts';
import type { MemoryProgram } from './stages.ts';

const { BLOCK, CHUNK } = layout;

export interface KvPlan {
  readonly type: number; // KV_F32, KV_F16 or KV_Q8
  readonly context: number; // most positions of a sequence, padded to whole chunks
  readonly tables: number; // u32 [sequences][pages of a context, then of a ring]: byte offsets of pages
  readonly tableBytes: number; // of a sequence
  readonly whole: PagePlan; // of states that keep every position
  readonly ring?: RingPlan; // of states that keep what a window sees (backends/rings.ts)
  readonly states: ReadonlyMap<StateId, KvState>; // in this memory
}

export interface PagePlan {
  readonly address: number; // of page 0
  readonly positions: number; // of a page; whole chunks
  readonly count: number; // of all sequences together
  readonly bytes: number; // from one page to the next
  readonly table: number; // byte offset of its part of a sequence's table
  readonly entries: number; // of that part: pages of a context
}

/** Sequence s has the pages from s * each on. */
export interface RingPlan extends PagePlan {
  readonly each: number; // pages of a sequence
}

/** Keys and values of one state in page 0. */
export interface KvState {
  readonly shape: KvShape;
  readonly pages: PagePlan;
  readonly keys: CacheRun;
  readonly values: CacheRun;
  readonly valueScales: CacheRun; // of q8
}

/** [kvHeads][chunks of a page] of `chunkBytes` each. */
export interface CacheRun {
  readonly address: number;
  readonly chunkBytes: number;
  readonly bytes: number; // of all heads and chunks
}

/** Positions of a page, but where a sequence has one for its whole context. Two chunks leave little of a page empty (LOG.md). */
const PAGE_POSITIONS = RING_UNIT;

type PageCounts = Omit<PagePlan, 'address' | 'bytes'>;

export interface TablePlan extends Pick<KvPlan, 'context' | 'tables' | 'tableBytes'> {
  readonly whole: PageCounts;
  readonly ring?: PageCounts & Pick<RingPlan, 'each'>;
}

/** Positions of a sequence, padded to whole chunks, or pages if all sequences share a pool. */
export function paddedContext({ contextLength, positions }: Limits): number {
  const unit = positions === undefined ? CHUNK : PAGE_POSITIONS;
  return unit * Math.ceil(contextLength / unit);
}

/** Without a pool each sequence has one page, beside the pages of its ring. */
export function planTables({ limits, ring }: MemoryProgram, space: AddressSpace): TablePlan {
  const { positions, sequences } = limits;
  const context = paddedContext(limits);
  const entries = Math.ceil(context / PAGE_POSITIONS);
  const whole: PageCounts =
    positions === undefined
      ? { positions: context, count: sequences, table: 0, entries: 1 }
      : { positions: PAGE_POSITIONS, count: Math.ceil(positions / PAGE_POSITIONS), table: 0, entries };
  const each = ring && ring.positions / PAGE_POSITIONS;
  const table = 4 * whole.entries;
  const turning = each
    ? { positions: PAGE_POSITIONS, each, count: sequences * each, table, entries }
    : undefined;
  const tableBytes = 4 * (whole.entries + (turning?.entries ?? 0));
  const tables = space.allocate(sequences * tableBytes, 'pages of sequences');
  return { context, tables, tableBytes, whole, ring: turning };
}

/** The states that attention of this memory reads, in pages of their kind. */
export function planKv(
  { phases, states, limits, ring }: MemoryProgram,
  { whole, ring: turning, ...tables }: TablePlan,
  space: AddressSpace,
): KvPlan {
  const type = kvTypeOf(limits, states);
  const read = phases.flatMap((phase) => (phase.kind === 'attention' ? [phase.op] : []));
  const kept = [...new Map(read.map((op) => [op.state, kvOf(op, states)] as const))];
  const [inWhole = [], inRing = []] = [false, true].map((wanted) =>
    kept.filter(([id]) => (ring?.states.has(id) ?? false) === wanted),
  );
  const all = planPages(type, whole, inWhole, space);
  const some = turning && planPages(type, turning, inRing, space);
  return {
    ...{ type, ...tables, whole: all.pages },
    ring: turning && some && { ...some.pages, each: turning.each },
    states: new Map([...all.states, ...(some?.states ?? [])]),
  };
}

/** Pages of one kind, each of which holds some states one after the other. */
function planPages(
  type: number,
  counts: PageCounts,
  kept: readonly (readonly [StateId, KvShape])[],
  space: AddressSpace,
): { pages: PagePlan; states: ReadonlyMap<StateId, KvState> } {
  const page = new AddressSpace(0, space.gap > 0);
  const runs = kept.map(([id, shape]) => {
    const bytes = chunkBytes(type, shape);
    const run = (name: keyof typeof bytes): CacheRun => {
      const size = shape.kvHeads * (counts.positions / CHUNK) * bytes[name];
      return { address: page.allocate(size, `${name} ${id}`), chunkBytes: bytes[name], bytes: size };
    };
    return { id, shape, keys: run('keys'), values: run('values'), valueScales: run('valueScales') };
  });
  const address = space.allocate(counts.count * page.used, 'cache');
  for (let i = 0; i < counts.count; i++) {
    space.sentinels.push(...shifted(page.sentinels, address + i * page.used, `page ${i}: `));
  }
  const pages = { ...counts, address, bytes: page.used };
  const placed = (run: CacheRun) => ({ ...run, address: address + run.address });
  const states = runs.map(({ id, shape, keys, values, valueScales }): [StateId, KvState] => [
    id,
    { shape, pages, keys: placed(keys), values: placed(values), valueScales: placed(valueScales) },
  ]);
  return { pages, states: new Map(states) };
}

/** Float16 needs pairs of dimensions: with an odd head dimension, all states are float32. */
function kvTypeOf({ kvType = 'f32' }: Limits, states: readonly StateShape[]): number {
  const codes: Record<KvType, number> = { f32: layout.KV_F32, f16: layout.KV_F16, q8: layout.KV_Q8 };
  const odd = states.some((state) => state.kind === 'kv' && state.keyDim % 2 !== 0);
  return kvType === 'f16' && odd ? layout.KV_F32 : codes[kvType];
}

/** Bytes of CHUNK positions of a head: keys, values and scales of values. */
function chunkBytes(
  type: number,
  { keyDim, valueDim }: KvShape,
): Record<'keys' | 'values' | 'valueScales', number> {
  const keyBlocks = Math.ceil(keyDim / BLOCK);
  const valueBlocks = Math.ceil(valueDim / 16);
  if (type === layout.KV_Q8)
    return {
      keys: CHUNK * keyBlocks * (BLOCK + 4),
      values: CHUNK * 16 * valueBlocks,
      valueScales: CHUNK * 4,
    };
  const bytes = type === layout.KV_F16 ? 2 : 4;
  return { keys: CHUNK * keyDim * bytes, values: CHUNK * 16 * valueBlocks * bytes, valueScales: 0 };
}
