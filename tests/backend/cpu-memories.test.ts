/**
 * Models that need several memories, played through with small ones: a llama of six layers in memories of 1 MiB must
 * give the bits it gives in one memory.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Backend, KvType, Program, Slice, WeightId } from '../../backends/backend.ts';
import type { CpuExecutable } from '../../backends/cpu/executable.ts';
import { type CpuOptions, createCpuBackend } from '../../backends/cpu/index.ts';
import { type Matrix, randomMatrix } from '../../bench/conformance/matrices.ts';
import { buildLlama, llamaTensors } from '../../core/architectures/llama.ts';
import type { ModelConfig } from '../../core/config.ts';
import type { WeightIds } from '../../core/weights.ts';

const MEBIBYTE = 2 ** 20;
const CONFIG: ModelConfig = {
  architecture: 'llama',
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
  tiedHead: true,
};
const UNTIED = { ...CONFIG, tiedHead: false };
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

/** Every tensor with values of its own. */
function giveWeights(backend: Backend, config: ModelConfig): WeightIds {
  const ids = new Map<string, WeightId>();
  for (const { name, rows, cols, optional } of llamaTensors(config)) {
    if (optional || ids.has(name)) continue;
    const type = rows === 1 ? 'F32' : ids.size % 2 > 0 ? 'Q8_0' : 'F16';
    const { desc, bytes } = randomMatrix(type, rows + ids.size, cols);
    const own = bytes.subarray(bytes.length - (bytes.length / (rows + ids.size)) * rows);
    ids.set(name, backend.weight({ ...desc, name, rows }, { bytes: own }));
  }
  return ids;
}

function program(config: ModelConfig, ids: WeightIds, kv: Partial<Program['kv']> = {}): Program {
  const { nLayers: layers, nKvHeads: kvHeads, headDim } = config;
  const shape = { layers, kvHeads, headDim, sequences: 3, contextLength: 200, ...kv };
  return { name: 'several memories', ...buildLlama(config, ids), kv: shape, maxTokens: 160, attention: true };
}

interface Run {
  readonly config?: ModelConfig;
  readonly kv?: Partial<Program['kv']>;
  readonly options?: CpuOptions;
}

async function load({ config = CONFIG, kv, options = {} }: Run): Promise<CpuExecutable> {
  const backend = await start(options);
  return (await backend.compile(program(config, giveWeights(backend, config), kv))) as CpuExecutable;
}

async function rows(
  executable: CpuExecutable,
  logits: 'last' | 'all',
  ...slices: Slice[]
): Promise<number[]> {
  return [...(await executable.submit({ slices, logits }).logits())];
}

/** Logits of prompts cut in several ways, of batches, and of copied and trimmed sequences; attention weights at last. */
async function everything(executable: CpuExecutable): Promise<number[][]> {
  const slice = (seq: number, from: number, to: number) => ({
    seq,
    pos: from,
    tokens: TOKENS.slice(from, to),
  });
  const results = [await rows(executable, 'all', slice(0, 0, 150))];
  for (let pos = 0; pos < 12; pos++) results.push(await rows(executable, 'last', slice(1, pos, pos + 1)));
  for (let pos = 12; pos < 147; pos += 7) await rows(executable, 'last', slice(1, pos, pos + 7));
  executable.kvCopy(1, 2, 140);
  executable.kvTrim(0, 120);
  results.push(await rows(executable, 'last', slice(1, 147, 150), slice(2, 140, 150), slice(0, 120, 121)));
  results.push(await rows(executable, 'all', slice(2, 141, 142), slice(0, 121, 122), slice(1, 148, 149)));
  await executable.submit({ slices: [slice(0, 122, 130)], logits: 'none' }).logits();
  const ticket = executable.submit({ slices: [slice(0, 130, 131)], logits: 'last', attention: true });
  results.push([...(await ticket.logits())], [...(await ticket.attention!())]);
  return results;
}

describe.each<{ name: string } & Run>([
  { name: 'a tied head', config: CONFIG },
  { name: 'a head of its own', config: UNTIED },
  { name: 'a cache in f16', kv: { type: 'f16' satisfies KvType } },
  { name: 'a cache in q8', kv: { type: 'q8' satisfies KvType } },
])('the bits in several memories with $name', async (run) => {
  const one = await load(run);
  const expected = await everything(one);

  it.each([1, 2, 3])('are those in one, on %i threads', async (threads) => {
    const memoryLimit = run.kv ? MEBIBYTE / 2 + MEBIBYTE / 8 : MEBIBYTE;
    const several = await load({ ...run, options: { threads, memoryLimit } });
    expect(one.stages).toEqual([0]);
    expect(new Set(several.stages).size).toBeGreaterThan(2);
    expect(several.stages.at(-1) === 0).toBe(run.config !== UNTIED);
    expect(await everything(several)).toEqual(expected);
    expect(several.memory).toMatchObject({ weights: one.memory.weights, kv: one.memory.kv });
    expect(several.memory.arena).toBeGreaterThan(one.memory.arena);
  });
});

describe('several programs in several memories', () => {
  it('run in turn and at once, and are disposed of in any order', async () => {
    const expected = await everything(await load({}));
    const backend = await start({ threads: 2, memoryLimit: MEBIBYTE });
    const ids = giveWeights(backend, CONFIG);
    const compile = async (contextLength: number) =>
      (await backend.compile(program(CONFIG, ids, { contextLength }))) as CpuExecutable;
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

  it('bring a weight to a second memory where a phase needs it there', async () => {
    const backend = await start({ threads: 2, memoryLimit: 5.5 * MEBIBYTE });
    const [table, a, b] = [40, 300, 512].map((height) => randomMatrix('F16', height, 512)) as [
      Matrix,
      Matrix,
      Matrix,
    ];
    const [t, wa, wb] = [table, a, b].map(({ desc, bytes }) => backend.weight(desc, { bytes }));
    const compile = async (x: number, maxTokens: number) =>
      (await backend.compile({
        name: 'two products',
        buffers: [512, 512, 300],
        ops: [
          { op: 'embed', table: t!, out: 0 },
          { op: 'matmul', x: 0, weight: wb!, out: 1 },
          { op: 'matmul', x, weight: wa!, out: 2 },
        ],
        logits: 2,
        kv: { layers: 0, kvHeads: 1, headDim: 16, sequences: 1, contextLength: 600 },
        maxTokens,
      })) as CpuExecutable;
    const chained = await compile(1, 600);
    chained.dispose();
    const fused = await compile(0, 4);
    expect([chained.stages, fused.stages]).toEqual([[0, 1], [0]]);
    const found = await rows(fused, 'last', { seq: 0, pos: 0, tokens: [7] });
    const x = table.values.subarray(7 * 512, 8 * 512);
    for (let n = 0; n < 300; n++) {
      const y = x.reduce((sum, value, k) => sum + value * a.values[n * 512 + k]!, 0);
      expect(found[n]).toBeCloseTo(y, 3);
    }
  });
});

describe('what does not fit or cannot be read', () => {
  it('is told by name and size before anything is reserved', async () => {
    const backend = await start({ threads: 1, memoryLimit: MEBIBYTE });
    const ids = giveWeights(backend, CONFIG);
    const compiling = backend.compile(program(CONFIG, ids, { contextLength: 400, sequences: 30 }));
    await expect(compiling).rejects.toMatchObject({
      kind: 'memory',
      message: expect.stringMatching(
        / to fit in one memory of 2 MB, got \d+ MB \(weights \d+ MB, context \d+ MB, activations \d+ MB\)/,
      ),
    });
    const fitting = (await backend.compile(program(CONFIG, ids))) as CpuExecutable;
    expect(await rows(fitting, 'last', { seq: 0, pos: 0, tokens: [1] })).toHaveLength(90);
  });

  it('leaves the backend as it was', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'percept-memories-'));
    disposals.push(async () => rmSync(folder, { recursive: true }));
    const path = join(folder, 'weights');
    const backend = await start({ threads: 2, memoryLimit: MEBIBYTE });
    const ids = new Map(giveWeights(backend, UNTIED));
    const head = ids.get('output.weight')!;
    const { desc, bytes } = randomMatrix('F16', 90, 64);
    writeFileSync(path, bytes.subarray(2));
    ids.set('output.weight', backend.weight(desc, { path, offset: 0 }));
    const broken = program(UNTIED, ids);
    await expect(backend.compile(broken)).rejects.toThrow('the file ended inside F16 [90, 64]');
    await expect(backend.compile(broken)).rejects.toThrow('the file ended inside F16 [90, 64]');
    const whole = program(UNTIED, ids.set('output.weight', head));
    const executable = (await backend.compile(whole)) as CpuExecutable;
    const fresh = await load({ config: UNTIED, options: { threads: 2, memoryLimit: MEBIBYTE } });
    expect(executable.stages).toEqual(fresh.stages);
    expect(await everything(executable)).toEqual(await everything(fresh));
  });
});
