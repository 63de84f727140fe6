/** Pages of the CPU backend's cache: sequences that begin alike share them, and bits do not depend on it. */
import { afterAll, describe, expect, it } from 'vitest';
import type { Executable, Limits, Slice } from '../../backends/backend.ts';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { Pages } from '../../backends/cpu/pages.ts';
import { graphFromGguf } from '../../core/architectures/index.ts';
import { readGguf } from '../../core/gguf/index.ts';
import { programOn } from '../../core/program.ts';
import { Random } from '../../core/sampler/random.ts';
import { TINY_MODEL } from '../cli/percept.ts';
import { recurrentProgram } from './recurrent-program.ts';

describe('Pages', () => {
  const pages = () => new Pages({ count: 4, pagePositions: 10, sequences: 3 });

  it('are taken as positions are written, and given back', () => {
    const all = pages();
    expect(all.write(0, 0, 12)).toEqual([]);
    expect([all.table(0), all.free]).toEqual([[0, 1], 20]);
    expect(all.write(0, 12, 20)).toEqual([]);
    all.trim(0, 10);
    expect([all.table(0), all.free]).toEqual([[0], 30]);
  });

  it('are shared until one of their holders writes, which keeps what stands before', () => {
    const all = pages();
    all.write(0, 0, 15);
    all.share(0, 1, 13);
    expect([all.table(1), all.free]).toEqual([[0, 1], 20]);
    expect(all.write(1, 13, 14)).toEqual([{ from: 1, to: 2, positions: 3 }]);
    expect(all.write(0, 15, 16)).toEqual([]); // it is the only holder again
    expect(all.write(0, 10, 16)).toEqual([]);
    expect(all.write(0, 8, 9)).toEqual([{ from: 0, to: 3, positions: 8 }]);
    expect([all.table(0), all.table(1), all.free]).toEqual([[3, 1], [0, 2], 0]);
  });

  it('are copied without what will be written', () => {
    const all = pages();
    all.write(0, 0, 10);
    all.share(0, 1, 10);
    expect(all.write(1, 0, 5)).toEqual([]);
    expect(all.table(1)).toEqual([1]);
  });

  it('are refused where there are none left, and nothing changes', () => {
    const all = pages();
    all.write(0, 0, 30);
    all.share(0, 1, 30);
    expect(() => all.write(1, 5, 25)).toThrow(
      'All sequences together need 30 more positions, but 10 are free.',
    );
    expect([all.table(1), all.free]).toEqual([[0, 1, 2], 10]);
    all.trim(0, 0);
    expect(all.free).toBe(10);
    all.trim(1, 0);
    expect(all.free).toBe(40);
  });
});

const disposals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const dispose of disposals) await dispose();
});

async function load(limits: Partial<Limits>): Promise<Executable> {
  const backend = await createCpuBackend({ threads: 2 });
  disposals.push(() => backend.dispose());
  const source = ({ offset }: { offset: number }) => ({ path: TINY_MODEL, offset });
  const graph = graphFromGguf(await readGguf(TINY_MODEL));
  const all = { sequences: 6, contextLength: 700, maxTokens: 300, kvType: 'q8', ...limits } as const;
  return backend.compile(programOn(backend, graph, { name: 'pages', limits: all, source }));
}

/** Logits of a random run of steps, copies and trims. */
async function run(executable: Executable, seed: number): Promise<unknown[]> {
  const random = new Random(seed);
  const below = (limit: number) => Math.floor(random.uniform() * limit);
  const lengths = new Array<number>(6).fill(0);
  const results: unknown[] = [];
  for (let i = 0; i < 30; i++) {
    const seq = below(6);
    if (below(3) === 0) {
      const upto = below(lengths[seq]! + 1);
      const to = below(6);
      executable.kvCopy(seq, to, upto);
      lengths[to] = upto;
      continue;
    }
    const slices = [seq, (seq + 1 + below(5)) % 6].map((seq): Slice => {
      const pos = Math.max(0, lengths[seq]! - below(40));
      const count = Math.min(1 + below(below(4) === 0 ? 140 : 3), 700 - pos);
      lengths[seq] = pos + count;
      const tokens = Array.from({ length: count }, () => below(300));
      return { seq, pos, tokens, want: { kind: 'logits' } };
    });
    results.push(await executable.submit({ slices }));
  }
  return results;
}

describe.each(['f32', 'f16', 'q8'] as const)('a pool of pages, cache in %s', async (kvType) => {
  it('gives the bits of whole contexts, whatever is copied and trimmed', async () => {
    const [whole, paged] = [await load({ kvType }), await load({ kvType, positions: 6 * 768 })];
    for (let seed = 0; seed < 6; seed++) {
      for (let seq = 0; seq < 6; seq++) for (const each of [whole, paged]) each.kvTrim(seq, 0);
      expect(await run(paged, seed), `seed ${seed}`).toEqual(await run(whole, seed));
    }
    for (let seq = 0; seq < 6; seq++) paged.kvTrim(seq, 0);
    expect(paged.free!()).toBe(6 * 768);
  });
});

it('64 sequences that begin alike take little more than one', async () => {
  const executable = await load({ sequences: 64, positions: 66 * 256, contextLength: 512 });
  const tokens = Array.from({ length: 256 }, (_, i) => (i * 7919) % 300);
  await executable.submit({ slices: [{ seq: 0, pos: 0, tokens }] });
  for (let seq = 1; seq < 64; seq++) executable.kvCopy(0, seq, 256);
  expect(executable.free!()).toBe(65 * 256);
  const slices = Array.from({ length: 64 }, (_, seq) => ({
    seq,
    pos: 256,
    tokens: [seq],
    want: { kind: 'logits' } as const,
  }));
  expect(await executable.submit({ slices })).toHaveLength(64);
  expect(executable.free!()).toBe(256);
});

it('a step that finds no pages is refused in words, and changes nothing', async () => {
  const executable = await load({ positions: 512 });
  const tokens = Array.from({ length: 250 }, (_, i) => i);
  const want = { kind: 'logits' } as const;
  await executable.submit({ slices: [{ seq: 0, pos: 0, tokens }] });
  await executable.submit({ slices: [{ seq: 1, pos: 0, tokens }] });
  expect(() => executable.submit({ slices: [{ seq: 2, pos: 0, tokens }] })).toThrow('but 0 are free');
  const [before] = await executable.submit({ slices: [{ seq: 0, pos: 250, tokens: [1], want }] });
  executable.kvTrim(1, 0);
  await executable.submit({ slices: [{ seq: 2, pos: 0, tokens }] });
  const [after] = await executable.submit({ slices: [{ seq: 0, pos: 250, tokens: [1], want }] });
  expect(after).toEqual(before);
});

it('a sequence copied to itself gives back the pages after its new end', async () => {
  const executable = await load({ positions: 768 });
  const want = { kind: 'logits' } as const;
  const tokens = Array.from({ length: 300 }, (_, i) => i);
  await executable.submit({ slices: [{ seq: 0, pos: 0, tokens }] });
  expect(executable.free!()).toBe(256);
  executable.kvCopy(0, 0, 200);
  expect(executable.free!()).toBe(512);
  const next = (seq: number, pos: number, tokens: number[]) => {
    return executable.submit({ slices: [{ seq, pos, tokens, want }] });
  };
  expect(await next(0, 200, [7])).toEqual(await next(1, 0, [...tokens.slice(0, 200), 7]));
});

describe('a recurrent sequence in a pool', () => {
  const tokens = Array.from({ length: 100 }, (_, i) => (i * 7) % 40);
  const next = (seq: number, pos: number, ...tokens: number[]): Slice => {
    return { seq, pos, tokens, want: { kind: 'logits' } };
  };

  /** Two pages of 256 positions: the sequences 0 and 1 hold one each, of 100 and 256 tokens. */
  async function full(): Promise<Executable> {
    const backend = await createCpuBackend({ threads: 2 });
    disposals.push(() => backend.dispose());
    const limits = { sequences: 3, contextLength: 600, maxTokens: 300, positions: 512 };
    const executable = await backend.compile({ ...recurrentProgram(backend), limits });
    await executable.submit({ slices: [{ seq: 0, pos: 0, tokens }] });
    await executable.submit({ slices: [{ seq: 1, pos: 0, tokens: new Array(256).fill(3) }] });
    return executable;
  }

  it('goes on from where it was once a step that found no pages is tried again', async () => {
    const executable = await full();
    const step = { slices: [next(0, 100, 5), next(1, 256, 6), next(2, 0, 7)] };
    expect(() => executable.submit(step)).toThrow(expect.objectContaining({ kind: 'context' }));
    executable.kvTrim(1, 0);
    const [after] = await executable.submit({ slices: [next(0, 100, 5)] });
    const [whole] = await executable.submit({ slices: [next(1, 0, ...tokens, 5)] });
    expect(after).toEqual(whole);
  });

  it('keeps no pages of a step that found too few', async () => {
    const executable = await full();
    const many = new Array(200).fill(1);
    executable.kvTrim(1, 0);
    expect(executable.free!()).toBe(256);
    const step = { slices: [next(0, 100, ...many), next(2, 0, 7)] };
    expect(() => executable.submit(step)).toThrow('but 0 are free');
    expect(executable.free!()).toBe(256);
  });

  it('stays as it is when it is copied to itself', async () => {
    const executable = await full();
    executable.kvCopy(0, 0, 100);
    executable.kvTrim(1, 0);
    const [after] = await executable.submit({ slices: [next(0, 100, 5)] });
    expect(await executable.submit({ slices: [next(1, 0, ...tokens, 5)] })).toEqual([after]);
    executable.kvCopy(0, 0, 0);
    executable.kvTrim(1, 0);
    expect(executable.free!()).toBe(512);
  });
});
