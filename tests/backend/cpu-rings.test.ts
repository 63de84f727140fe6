/** Rings of the CPU backend: states that are read through a window keep what it sees, and bits do not depend on it. */
import { afterAll, describe, expect, it } from 'vitest';
import type { Executable, KvType, Limits, Slice } from '../../backends/backend.ts';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { ringOf } from '../../backends/rings.ts';
import { graphFromGguf } from '../../core/architectures/index.ts';
import { readGguf } from '../../core/gguf/index.ts';
import { estimateMemory, programOn } from '../../core/program.ts';
import { Random } from '../../core/sampler/random.ts';
import { TINY_MODEL } from '../cli/percept.ts';

const WINDOW = 40;
const CONTEXT = 5000;
const LIMITS = { sequences: 2, contextLength: CONTEXT, maxTokens: 200 };
const RING = 1280; // 40 + 200 + 1024 positions, rounded up

const disposals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const dispose of disposals) await dispose();
});

/** A llama whose attentions have windows, but every second one; in `all` every one. */
async function windowed({ all = false } = {}) {
  const graph = graphFromGguf(await readGguf(TINY_MODEL));
  let attentions = 0;
  const ops = graph.ops.map((op) => {
    if (op.op !== 'attention') return op;
    return attentions++ % 2 === 0 || all ? { ...op, window: WINDOW - (attentions % 3) } : op;
  });
  return { ...graph, ops };
}

async function load(limits: Partial<Limits> = {}, options: { all?: boolean; sentinels?: boolean } = {}) {
  const backend = await createCpuBackend({ threads: 2, sentinels: options.sentinels });
  disposals.push(() => backend.dispose());
  const source = ({ offset }: { offset: number }) => ({ path: TINY_MODEL, offset });
  const program = programOn(backend, await windowed(options), {
    name: 'rings',
    limits: { ...LIMITS, kvType: 'q8', ...limits },
    source,
  });
  return backend.compile(program);
}

/** Without a ring: steps as long as the context leave no room for one. */
const wholeOf = (kvType: KvType) => load({ kvType, maxTokens: CONTEXT });

const tokensFrom = (pos: number, count: number) =>
  Array.from({ length: count }, (_, i) => (pos + i) ** 2 % 300);

async function fill(executable: Executable, seq: number, from: number, to: number): Promise<void> {
  for (let pos = from; pos < to; pos += LIMITS.maxTokens) {
    const tokens = tokensFrom(pos, Math.min(LIMITS.maxTokens, to - pos));
    await executable.submit({ slices: [{ seq, pos, tokens }] });
  }
}

async function next(executable: Executable, seq: number, pos: number) {
  const slice: Slice = { seq, pos, tokens: tokensFrom(pos, 1), want: { kind: 'logits' } };
  return (await executable.submit({ slices: [slice] }))[0];
}

describe.each(['f32', 'f16', 'q8'] as const)('states with windows, in %s', (kvType) => {
  it('give the bits of whole contexts, whatever is copied and trimmed', async () => {
    const [whole, ring] = [await wholeOf(kvType), await load({ kvType })];
    const random = new Random(11);
    const below = (limit: number) => Math.floor(random.uniform() * limit);
    const lengths = [0, 0];
    let [longest, refused] = [0, 0];
    for (let i = 0; i < 250; i++) {
      const seq = below(2);
      const wanted = Math.max(0, lengths[seq]! - [0, 0, below(60), below(40) === 0 ? 1500 : 0][below(4)]!);
      if (below(20) === 0) {
        const upto = Math.min(wanted, ring.keeps(seq, wanted));
        for (const each of [whole, ring]) each.kvCopy(seq, 1 - seq, upto);
        lengths[1 - seq] = upto;
        continue;
      }
      const pos = ring.kvTrim(seq, wanted);
      if (pos < wanted) refused++;
      const count = Math.min(1 + below(below(2) === 0 ? 200 : 3), CONTEXT - pos);
      const tokens = Array.from({ length: count }, () => below(300));
      const slices: Slice[] = [{ seq, pos, tokens, want: { kind: 'logits' } }];
      lengths[seq] = pos + count;
      longest = Math.max(longest, pos + count);
      expect(await ring.submit({ slices }), `step ${i}`).toEqual(await whole.submit({ slices }));
    }
    expect(longest).toBeGreaterThan(2 * RING);
    expect(refused).toBeGreaterThan(0);
  });

  it('continue from a saved state, also in another executable', async () => {
    const [one, other] = [await load({ kvType }), await load({ kvType })];
    await fill(one, 0, 0, 3210);
    const saved = await one.save!(0, 3210);
    await fill(other, 1, 0, 700);
    expect(await other.restore!(1, saved)).toBe(3210);
    expect(await next(other, 1, 3210)).toEqual(await next(one, 0, 3210));
    expect(other.kvTrim(1, 3200)).toBe(3200);
    expect(one.kvTrim(0, 3200)).toBe(3200);
    expect(await next(other, 1, 3200)).toEqual(await next(one, 0, 3200));
    expect(other.kvTrim(1, 3200 - 1024)).toBe(3200 - 1024);
    expect(other.kvTrim(1, 1500)).toBe(0);
  });
});

describe('a ring', () => {
  it('takes no more memory in a longer context', async () => {
    const kv = async (contextLength: number, all: boolean) =>
      (await load({ contextLength }, { all })).memory.kv;
    expect((await kv(20_000, true)) - (await kv(10_000, true))).toBeLessThan(10_000); // tables of pages
    const [short, long] = [await kv(10_000, false), await kv(20_000, false)];
    expect(long / short).toBeLessThan(1.9); // of the layers without a window alone
  });

  it('is in the estimate', async () => {
    for (const all of [true, false]) {
      const graph = await windowed({ all });
      const { kv } = (await load({}, { all })).memory;
      const estimate = estimateMemory(graph, { ...LIMITS, kvType: 'q8' }).kv;
      expect(Math.abs(kv / estimate - 1), `${kv} and ${estimate}`).toBeLessThan(0.03);
    }
  });

  it('is not made where whole contexts take no more', async () => {
    const graph = await windowed();
    const { states } = graph;
    expect(ringOf({ ...graph, states, limits: LIMITS })?.positions).toBe(RING);
    expect(ringOf({ ...graph, states, limits: { ...LIMITS, contextLength: RING } })).toBeUndefined();
    expect(ringOf({ ...graph, states, limits: { ...LIMITS, positions: 2 * RING } })).toBeUndefined();
    const plain = graphFromGguf(await readGguf(TINY_MODEL));
    expect(ringOf({ ...plain, limits: LIMITS })).toBeUndefined();
  });

  it('works beside a pool of pages', async () => {
    const [whole, pooled] = [await wholeOf('q8'), await load({ positions: 6144, contextLength: 5000 })];
    for (const each of [whole, pooled]) {
      await fill(each, 0, 0, 2900);
      each.kvCopy(0, 1, 2900);
      await fill(each, 1, 2900, 3100);
    }
    for (const [seq, pos] of [
      [0, 2900],
      [1, 3100],
    ] as const) {
      expect(await next(pooled, seq, pos)).toEqual(await next(whole, seq, pos));
    }
    expect(pooled.free!()).toBeLessThan(6144 - 2900);
  });

  it('refuses positions that it does not reach, and writes nowhere else', async () => {
    const ring = await load({}, { sentinels: true });
    await fill(ring, 0, 0, 3000);
    expect(ring.keeps(0, 1000)).toBe(0);
    expect(() => ring.kvCopy(0, 1, 1000)).toThrow(RangeError);
    expect(() => ring.submit({ slices: [{ seq: 0, pos: 1000, tokens: [1] }] })).toThrow(RangeError);
    expect(ring.keeps(0, 2000)).toBe(2000);
    expect(ring.keeps(0, 3000)).toBe(3000);
    expect(await ring.damage!()).toBeUndefined();
  });
});
