/**
 * Models that need several memories, simulated with small ones: a llama of six layers in memories of 1 MiB must give
 * the same bits as in one memory.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Backend, Executable, KvType, Limits, Program } from '../../backends/backend.ts';
import type { CpuExecutable } from '../../backends/cpu/executable.ts';
import { type CpuOptions, createCpuBackend } from '../../backends/cpu/index.ts';
import { rewired } from '../../backends/ops.ts';
import { CHECKED_CASES } from '../../bench/conformance/cases.ts';
import { runCase } from '../../bench/conformance/judge.ts';
import { type Matrix, randomMatrix } from '../../bench/conformance/matrices.ts';
import type { DecoderConfig } from '../../core/architectures/decoder.ts';
import { llamaGraph } from '../llama-graph.ts';
import { allRows, attended, lastRows } from './steps.ts';

const MEBIBYTE = 2 ** 20;
const CONFIG: DecoderConfig = {
  nLayers: 6,
  embeddingLength: 64,
  feedForwardLength: 128,
  nHeads: 4,
  nKvHeads: 2,
  headDim: 16,
  vocabularySize: 90,
  contextLength: 400,
  rmsEps: 1e-5,
  rope: { layout: 'interleaved', inverseFrequencies: [1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003] },
};
/** Crosses a chunk of 128 keys. */
const TOKENS = Array.from({ length: 150 }, (_, i) => (i * 7919) % 90);

const disposals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const dispose of disposals) await dispose();
});

async function start(options: CpuOptions): Promise<Backend> {
  const backend = await createCpuBackend(options);
  disposals.push(() => backend.dispose());
  return backend;
}

/** A llama on a backend: its weights are registered once, for programs of any limits. */
interface Given {
  readonly ids: Map<string, number>;
  program(limits?: Partial<Limits>): Program;
}

/** Every tensor with values of its own. */
function give(backend: Backend, tied = true): Given {
  const typeOf = (name: string, rows: number) => {
    const odd = /\d+|k|v|up|output/.exec(name)?.index ?? 0;
    return rows === 1 ? 'F32' : (name.length + odd) % 2 > 0 ? 'Q8_0' : 'F16';
  };
  const graph = llamaGraph(CONFIG, { tied, typeOf });
  const ids = new Map<string, number>();
  for (const [i, { name, type, rows, cols }] of graph.tensors.entries()) {
    const { desc, bytes } = randomMatrix(type, rows + i, cols);
    const own = bytes.subarray(bytes.length - (bytes.length / (rows + i)) * rows);
    ids.set(name, backend.weight({ ...desc, name, rows }, { bytes: own }));
  }
  return {
    ids,
    program(more = {}) {
      const weight = (i: number) => ids.get(graph.tensors[i]!.name)!;
      const { output, states } = graph;
      const ops = graph.ops.map((op) => rewired(op, { weight }));
      const taps = [...ops.keys()].filter((i) => ops[i]!.op === 'attention'); // in several memories
      const limits = { sequences: 3, contextLength: 200, maxTokens: 160, attention: true, taps, ...more };
      return { name: 'several memories', ops, output, states, limits };
    },
  };
}

interface Run {
  readonly tied?: boolean;
  readonly limits?: Partial<Limits>;
  readonly options?: CpuOptions;
}

async function load({ tied, limits, options = {} }: Run): Promise<CpuExecutable> {
  const backend = await start(options);
  return (await backend.compile(give(backend, tied).program(limits))) as CpuExecutable;
}

/** Logits of prompts cut in several ways, of batches, and of copied and trimmed sequences; taps and attention at last. */
async function everything(executable: CpuExecutable): Promise<Float32Array[]> {
  const slice = (seq: number, from: number, to: number) => ({
    seq,
    pos: from,
    tokens: TOKENS.slice(from, to),
  });
  const results = [await allRows(executable, slice(0, 0, 150))];
  for (let pos = 0; pos < 12; pos++) results.push(await lastRows(executable, slice(1, pos, pos + 1)));
  for (let pos = 12; pos < 147; pos += 7) await lastRows(executable, slice(1, pos, pos + 7));
  executable.kvCopy(1, 2, 140);
  executable.kvTrim(0, 120);
  results.push(await lastRows(executable, slice(1, 147, 150), slice(2, 140, 150), slice(0, 120, 121)));
  results.push(await allRows(executable, slice(2, 141, 142), slice(0, 121, 122), slice(1, 148, 149)));
  const wanting = { ...slice(0, 122, 130), want: { kind: 'values' } } as const;
  const [, tapped] = await executable.submit({ slices: [slice(1, 149, 150), wanting] });
  results.push(...(tapped?.kind === 'values' ? tapped.values : []));
  expect(results.at(-1)).toHaveLength(8 * CONFIG.embeddingLength);
  results.push(
    await attended(executable, slice(0, 130, 131)),
    await lastRows(executable, slice(0, 131, 132)),
  );
  return results;
}

describe.each<{ name: string } & Run>([
  { name: 'a tied head' },
  { name: 'a head of its own', tied: false },
  { name: 'a cache in f16', limits: { kvType: 'f16' satisfies KvType } },
  { name: 'a cache in q8', limits: { kvType: 'q8' satisfies KvType } },
])('the bits in several memories with $name', async (run) => {
  const one = await load(run);
  const expected = await everything(one);

  it.each([1, 2, 3])('are those in one, on %i threads', async (threads) => {
    const memoryLimit = (run.limits ? 0.5 : 0.75) * MEBIBYTE;
    const several = await load({ ...run, options: { threads, memoryLimit } });
    expect(one.stages).toEqual([0]);
    expect(new Set(several.stages).size).toBeGreaterThan(2);
    expect(several.stages.at(-1) === 0).toBe(run.tied !== false);
    expect(await everything(several)).toEqual(expected);
    expect(several.memory).toMatchObject({ weights: one.memory.weights, kv: one.memory.kv });
    expect(several.memory.arena).toBeGreaterThan(one.memory.arena);
  });
});

describe('several programs in several memories', () => {
  it('run alternately and concurrently, and are disposed of in any order', async () => {
    const expected = await everything(await load({}));
    const backend = await start({ threads: 2, memoryLimit: MEBIBYTE });
    const given = give(backend);
    const compile = async (contextLength: number) =>
      (await backend.compile(given.program({ contextLength }))) as CpuExecutable;
    const [first, second] = [await compile(200), await compile(330)];
    expect(second.memory.weights).toBe(first.memory.weights);
    expect(await everything(second)).toEqual(expected);
    expect(await Promise.all([everything(first), everything(second)])).toEqual([expected, expected]);
    first.dispose();
    const third = await compile(160);
    expect(await everything(second)).toEqual(expected);
    second.dispose();
    expect(await everything(third)).toEqual(expected);
    third.dispose();
    expect(await everything(await compile(200))).toEqual(expected);
  });

  it('copy a weight to a second memory if a phase needs it there', async () => {
    const backend = await start({ threads: 2, memoryLimit: 5.2 * MEBIBYTE });
    const [table, a, b] = [40, 300, 512].map((height) => randomMatrix('F16', height, 512)) as [
      Matrix,
      Matrix,
      Matrix,
    ];
    const [t, wa, wb] = [table, a, b].map(({ desc, bytes }) => backend.weight(desc, { bytes }));
    const compile = async (x: number, maxTokens: number) =>
      (await backend.compile({
        name: 'two products',
        ops: [
          { op: 'embed', table: t! },
          { op: 'matmul', x: 0, weight: wb! },
          { op: 'matmul', x, weight: wa! },
        ],
        output: 2,
        states: [],
        limits: { sequences: 1, contextLength: 600, maxTokens },
      })) as CpuExecutable;
    const chained = await compile(1, 600);
    chained.dispose();
    const fused = await compile(0, 4);
    expect([chained.stages, fused.stages]).toEqual([[0, 1], [0]]);
    const found = await lastRows(fused, { seq: 0, pos: 0, tokens: [7] });
    const x = table.values.subarray(7 * 512, 8 * 512);
    for (let n = 0; n < 300; n++) {
      const y = x.reduce((sum, value, k) => sum + value * a.values[n * 512 + k]!, 0);
      expect(found[n]).toBeCloseTo(y, 3);
    }
  });
});

describe('weights that do not fit or cannot be read', () => {
  it('are reported by name and size before anything is reserved', async () => {
    const backend = await start({ threads: 1, memoryLimit: MEBIBYTE });
    const given = give(backend);
    const compiling = backend.compile(given.program({ contextLength: 400, sequences: 30 }));
    await expect(compiling).rejects.toMatchObject({
      kind: 'memory',
      message: expect.stringMatching(
        / in one memory of 2 MB: .* takes \d+ MB \(weights \d+ MB, context \d+ MB, activations \d+ MB\)/,
      ),
    });
    const fitting = (await backend.compile(given.program())) as CpuExecutable;
    expect(await lastRows(fitting, { seq: 0, pos: 0, tokens: [1] })).toHaveLength(90);
  });

  it('leave the backend unchanged', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'percept-memories-'));
    disposals.push(async () => rmSync(folder, { recursive: true }));
    const path = join(folder, 'weights');
    const backend = await start({ threads: 2, memoryLimit: MEBIBYTE });
    const { ids, program } = give(backend, false);
    const head = ids.get('output.weight')!;
    const { desc, bytes } = randomMatrix('F16', 90, 64);
    writeFileSync(path, bytes.subarray(2));
    ids.set('output.weight', backend.weight(desc, { path, offset: 0 }));
    const broken = program();
    await expect(backend.compile(broken)).rejects.toThrow('the file ended inside F16 [90, 64]');
    await expect(backend.compile(broken)).rejects.toThrow('the file ended inside F16 [90, 64]');
    ids.set('output.weight', head);
    const whole = program();
    const executable = (await backend.compile(whole)) as CpuExecutable;
    const fresh = await load({ tied: false, options: { threads: 2, memoryLimit: MEBIBYTE } });
    expect(executable.stages).toEqual(fresh.stages);
    expect(await everything(executable)).toEqual(await everything(fresh));
  });
});

describe('recurrent states in several memories', async () => {
  const op = CHECKED_CASES.find(({ shape }) => shape === 'layers that convolve and attend')!;
  const [one, several] = [
    await start({ threads: 2 }),
    await start({ threads: 2, memoryLimit: MEBIBYTE / 2 }),
  ];
  const compile = async (backend: Backend) => {
    const ids = op.check.weights.map(({ desc, bytes }) => backend.weight(desc, { bytes }));
    return (await backend.compile(op.check.program(ids))) as CpuExecutable;
  };

  it('stay with what they go with', async () => {
    expect((await runCase(op, several)).rows).toEqual((await runCase(op, one)).rows);
    expect(new Set((await compile(several)).stages).size).toBeGreaterThan(2);
  });

  it('are saved and restored whatever the memories are', async () => {
    const [whole, cut] = [await compile(one), await compile(several)];
    const tokens = TOKENS.slice(0, 150).map((id) => id % 30);
    for (const each of [whole, cut]) await each.submit({ slices: [{ seq: 0, pos: 0, tokens }] });
    const next = (executable: Executable, seq: number) =>
      lastRows(executable, { seq, pos: 150, tokens: [1, 2, 3] });
    const saved = [await whole.save(0, 150), await cut.save(0, 150)];
    const expected = await next(whole, 0);
    for (const state of saved) {
      for (const executable of [whole, cut]) {
        expect(await executable.restore(2, state)).toBe(150);
        expect(await next(executable, 2)).toEqual(expected);
      }
    }
  });
});
