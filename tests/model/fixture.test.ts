/** A model of one layer that ships with the tests: loading it, and its logits on every backend. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  configFromGguf,
  estimateMemory,
  generate,
  graphFromGguf,
  loadModel,
  type MemoryUse,
  modelLimits,
  readGguf,
  SamplerChain,
  Sequence,
  samplerParameters,
} from '../../core/index.ts';
import { checkMemory } from '../../core/model.ts';
import { boundMemory } from '../../core/program.ts';
import { type BackendUnderTest, withModels } from '../backend/backends.ts';
import { allRows } from '../backend/steps.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { argmax, distance, divergence, logitsOf } from './logits.ts';

const FIXTURES = resolve(import.meta.dirname, '../fixtures');
const PATH = resolve(FIXTURES, 'tiny-llama.Q8_0.gguf');
const GOLDEN: { input_ids: number[]; argmax: number[]; logits_last: number[] } = JSON.parse(
  readFileSync(resolve(FIXTURES, 'tiny-llama.json'), 'utf8'),
);

interface Bounds {
  readonly divergence: number; // KL of the last position's distribution from the golden's, in nats
  readonly logit: number; // largest distance, against gross errors; logits lie between -3 and 4
  readonly otherSteps: number; // largest distance between the same row in different steps
}

const BOUNDS: Readonly<Record<BackendUnderTest['kind'], Bounds>> = {
  // The golden has 6 decimals and its angles are float32: 1e-13 seen.
  reference: { divergence: 1e-12, logit: 1e-5, otherSteps: 0 },
  // Activations in int8: 6.2e-4 seen, and a logit off by 0.13. The bound is twice as large.
  cpu: { divergence: 1.3e-3, logit: 0.15, otherSteps: 0 },
  // Likewise, 2.3e-4 seen. Float32 sums in another order change roundings of activations and keys.
  webgpu: { divergence: 1.3e-3, logit: 0.15, otherSteps: 0.05 },
  // Float32 sums: 3.5e-13 seen.
  gpujs: { divergence: 1e-12, logit: 1e-5, otherSteps: 1e-5 },
};

for (const { name, kind, absent, threads, start } of withModels()) {
  const { divergence: largest, logit: tolerance, otherSteps } = BOUNDS[kind];
  describe.skipIf(absent)(titled(`tiny-llama.Q8_0 on ${name}`, absent), () => {
    it('gives PyTorch’s logits, and the same ones for any number of threads and any step', async () => {
      const results: Float32Array[][] = [];
      for (const count of threads) {
        const model = await loadModel(PATH, { backend: start, threads: count, sequences: 2 });
        results.push(await Array.fromAsync(logitsOf(model, GOLDEN.input_ids)));
        results.push(await Array.fromAsync(logitsOf(model, GOLDEN.input_ids, { rows: 1 })));
        results.push(await Array.fromAsync(logitsOf(model, GOLDEN.input_ids, { rows: 7, seq: 1 })));
        await model.dispose();
      }
      const [first, ...others] = results;
      expect(divergence(Float32Array.from(GOLDEN.logits_last), first!.at(-1)!)).toBeLessThan(largest);
      expect(distance(first!.at(-1)!, GOLDEN.logits_last)).toBeLessThan(tolerance);
      for (const [i, row] of first!.entries()) {
        expect(row[GOLDEN.argmax[i]!]! + tolerance, `position ${i}`).toBeGreaterThan(row[argmax(row)]!);
      }
      for (const other of others) {
        for (const [i, row] of other.entries())
          expect(distance(row, first![i]!)).toBeLessThanOrEqual(otherSteps);
      }
    });
  });
}

describe('the library', () => {
  it('lets the event loop run while the reference computes', async () => {
    const model = await loadModel(PATH, { backend: 'reference' });
    let iterations = 0;
    let running = true;
    const iterate = () => {
      iterations++;
      if (running) setImmediate(iterate);
    };
    iterate();
    const tokens = Array.from({ length: 200 }, (_, i) => i);
    await allRows(model.executable, { seq: 0, pos: 0, tokens });
    running = false;
    await model.dispose();
    expect(iterations).toBeGreaterThan(2);
  });

  it('loads and generates, greedily the ids of the largest logits', async () => {
    const model = await loadModel(PATH, { backend: 'reference' });
    const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
    const ids = [...GOLDEN.input_ids];
    const options = { sampler, maxTokens: 8, ignoreEos: true };
    for await (const { id } of generate(new Sequence(model), GOLDEN.input_ids, options)) ids.push(id);
    const rows = await Array.fromAsync(logitsOf(model, ids));
    const start = GOLDEN.input_ids.length;
    expect(ids[start]).toBe(GOLDEN.argmax.at(-1));
    expect(ids.slice(start)).toEqual(rows.slice(start - 1, -1).map(argmax));
    await model.dispose();
  });
});

describe('loadModel', () => {
  it('describes the loaded model', async () => {
    const model = await loadModel(PATH, { backend: 'reference', contextLength: 64, sequences: 3 });
    expect(model).toMatchObject({
      path: PATH,
      name: 'percept-golden-tiny',
      contextLength: 64,
      sequences: 3,
      maxTokens: 192,
    });
    expect(model.tokenizer.vocabularySize).toBe(model.config.vocabularySize);
    expect(model.loadMs).toBeGreaterThan(0);
    await model.dispose();
  });

  it('defaults to the trained context and steps of at most 512 tokens', async () => {
    const model = await loadModel(PATH, { backend: 'reference' });
    expect(model).toMatchObject({ contextLength: 512, sequences: 1, maxTokens: 512 });
    await model.dispose();
  });

  it('takes as many sequences as the caller says once it knows what one takes', async () => {
    let told: MemoryUse | undefined;
    const sequences = (one: MemoryUse) => {
      told = one;
      return 3;
    };
    const model = await loadModel(PATH, { backend: 'reference', contextLength: 64, sequences });
    const { gguf, graph, config } = model;
    expect(model.sequences).toBe(3);
    expect(told).toEqual(estimateMemory(graph, modelLimits(gguf, config, { contextLength: 64 })));
    await model.dispose();
  });

  it.each([
    [{ contextLength: 513 }, 'usage', 'Expected a context of 1 to 512 tokens, as trained, got 513.'],
    [{ contextLength: 0 }, 'usage', 'got 0.'],
    [{ sequences: 1.5 }, 'usage', 'Expected at least 1 sequence, got 1.5.'],
    [{ maxTokens: -1 }, 'usage', 'Expected at least 1 token in a step, got -1.'],
    [{ threads: 0 }, 'usage', 'Expected at least 1 thread, got 0.'],
    [{ threads: Number.NaN }, 'usage', 'Expected at least 1 thread, got NaN.'],
    [{ kvType: 'f8' as 'f16' }, 'usage', 'one of auto, f32, f16, q8, got f8.'],
    [{ backend: 5 as unknown as string }, 'usage', 'Expected a backend among auto, cpu, '],
    [{ backend: 'abacus' }, 'usage', 'Expected a backend among auto, cpu, '],
    [{ sequences: 1e9 }, 'memory', 'of free memory (weights 1 MB, context 143360000 MB'],
  ])('refuses %o', async (options, kind, message) => {
    const failure = await loadModel(PATH, options).catch((error) => error);
    expect(failure).toMatchObject({ name: 'UserError', kind, message: expect.stringContaining(message) });
  });

  it('is disposed of once, also in the middle of an answer', async () => {
    for (const backend of ['cpu', 'reference']) {
      const model = await loadModel(PATH, { backend, contextLength: 64, threads: 2 });
      const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
      const sequence = new Sequence(model);
      const answer = async () => {
        for await (const _ of generate(sequence, [1, 5, 9], { sampler, maxTokens: 40 }))
          await model.dispose();
      };
      await expect(answer()).rejects.toThrow('The model has been disposed of.');
      await Promise.all([model.dispose(), model.dispose()]);
      await expect(sequence.evaluate([1, 5])).rejects.toThrow('The model has been disposed of.');
      sequence.trim(0);
    }
  });

  it('loads what seems not to fit, if it is asked to', async () => {
    vi.spyOn(process, 'availableMemory').mockReturnValue(1000);
    vi.spyOn(process, 'constrainedMemory').mockReturnValue(0);
    const failure = await loadModel(PATH, { backend: 'reference' }).catch((error) => error);
    expect(failure).toMatchObject({ kind: 'memory', hint: expect.stringContaining('--no-memory-check') });
    await (await loadModel(PATH, { backend: 'reference', memoryCheck: false })).dispose();
    vi.restoreAllMocks();
  });

  it.each([
    ['f32', 64, 8 * 64],
    ['f16', 64, 4 * 64],
    ['q8', 64, 2 * 64 + 4 * (2 + 1)], // two scales for a key, one for a value
    ['q8', 80, 96 + 80 + 4 * (3 + 1)], // keys in whole blocks of 32
  ] as const)('estimates the cache by its type: %s, heads of %i', async (kvType, headDim, bytes) => {
    const graph = graphFromGguf(await readGguf(PATH));
    const kv = graph.states.filter((state) => state.kind === 'kv');
    const states = kv.map((state) => ({ ...state, keyDim: headDim, valueDim: headDim }));
    const limits = { kvType, contextLength: 100, sequences: 3, maxTokens: 1 };
    const heads = states.reduce((sum, { kvHeads }) => sum + kvHeads, 0);
    expect(heads).toBeGreaterThan(0);
    expect(estimateMemory({ ...graph, states }, limits).kv).toBe(300 * heads * bytes);
    const recurrent = { kind: 'recurrent', floats: 7 } as const; // no larger for a longer context
    const mixed = { ...graph, states: [recurrent, ...states] };
    expect(estimateMemory(mixed, limits).kv).toBe(300 * heads * bytes + 3 * 4 * 7);
  });

  it('is bounded from above by what is found at once', async () => {
    const gguf = await readGguf(PATH);
    const graph = graphFromGguf(gguf);
    for (const options of [{}, { sequences: 4, maxTokens: 7 }, { attention: true }]) {
      const limits = modelLimits(gguf, graph.config, options);
      const { weights, kv, arena } = estimateMemory(graph, limits);
      const bound = boundMemory(graph, limits);
      expect(bound).toMatchObject({ weights, kv });
      expect(bound.arena).toBeGreaterThanOrEqual(arena);
    }
  });

  it('fills in sizes that were not given', async () => {
    const gguf = await readGguf(PATH);
    const config = configFromGguf(gguf);
    expect(modelLimits(gguf, config)).toEqual({
      contextLength: 512,
      sequences: 1,
      maxTokens: 512,
      kvType: 'q8',
    });
    const long = { ...config, contextLength: 131_072 };
    expect(modelLimits(gguf, long)).toMatchObject({ contextLength: 8192, maxTokens: 512 });
    expect(modelLimits(gguf, long, { contextLength: 100, sequences: 2 }).maxTokens).toBe(200);
  });

  it('estimates memory from sizes alone', async () => {
    const { graph, executable, dispose, ...sizes } = await loadModel(PATH, { backend: 'reference' });
    const { weights, kv, arena } = estimateMemory(graph, sizes);
    expect(weights).toBe(908_288);
    expect(kv).toBe((executable.memory.kv * (2 * 64 + 4 * 3)) / (2 * 64 * 8)); // 8 bits and scales for float64
    expect(arena).toBeLessThan(executable.memory.arena / 2); // the reference keeps every value, in float64
    expect(() => checkMemory({ weights, kv, arena }, weights + kv + arena)).not.toThrow();
    expect(() => checkMemory({ weights, kv, arena }, weights + kv + arena - 1)).toThrow('of free memory');
    await dispose();
  });
});

describeShared('loadModel of a vocabulary', (path) => {
  it('reports a file without weights', async () => {
    const load = loadModel(path('goldens/tokenizers/ggml-vocab-llama-bpe.gguf'), { backend: 'reference' });
    await expect(load).rejects.toThrow('has no weights');
  });
});
