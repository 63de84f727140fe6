import { describe, expect, it } from 'vitest';
import { labelOf, type SpeedTest, speedTests, testName, timedSteps } from '../../bench/speed-test.ts';
import { modelWork, roofShares, workPerToken } from '../../bench/work.ts';
import type { DecoderConfig } from '../../core/architectures/decoder.ts';
import { modelTitle, modelType } from '../../core/gguf/model-type.ts';
import { graphFromGguf, readGguf } from '../../core/index.ts';

const READ: SpeedTest = { kind: 'pp', tokens: 5, depth: 10, batch: 1 };
const WRITE: SpeedTest = { kind: 'tg', tokens: 2, depth: 10, batch: 4 };

describe('timed tests', () => {
  it('are every combination of the lists, prefill first, without zeros', () => {
    const tests = speedTests({ prompts: [512, 0], generations: [128], depths: [0, 64], batches: [1, 8] });
    expect(tests.map((test) => labelOf(testName(test), test.depth))).toEqual([
      'pp512',
      'tg128',
      'tg128x8',
      'pp512 @ d64',
      'tg128 @ d64',
      'tg128x8 @ d64',
    ]);
    expect(speedTests({ prompts: [0], generations: [0], depths: [0], batches: [1] })).toEqual([]);
  });

  it('prefill in large steps, with logits only at the end', () => {
    expect([...timedSteps(READ, 2)]).toEqual([
      { pos: 10, count: 2, logits: false },
      { pos: 12, count: 2, logits: false },
      { pos: 14, count: 1, logits: true },
    ]);
  });

  it('decode token by token, each with logits', () => {
    expect([...timedSteps(WRITE, 512)]).toEqual([
      { pos: 10, count: 1, logits: true },
      { pos: 11, count: 1, logits: true },
    ]);
  });
});

describe('work of a token', () => {
  const MODEL = {
    bodyBytes: 1000,
    bodyMacs: 500,
    experts: [],
    headBytes: 100,
    headMacs: 50,
    attention: [{ window: Number.POSITIVE_INFINITY, kvBytes: 8, macs: 3 }],
  };

  it('prefill shares the weights among the tokens of a step', () => {
    // Steps of 3 and 2 tokens; they see 11 + 12 + 13 and 14 + 15 positions and read 13 and 15 of them.
    const work = workPerToken(MODEL, READ, 3);
    expect(work.bytes * 5).toBeCloseTo(2 * 1000 + 100 + (13 + 15) * 8, 9);
    expect(work.macs * 5).toBeCloseTo(5 * 500 + 50 + (11 + 12 + 13 + 14 + 15) * 3, 9);
  });

  it('decode shares them among sequences; each reads its own cache', () => {
    const work = workPerToken(MODEL, WRITE, 512);
    expect(work.bytes).toBe((2 * (1000 + 100) + 4 * (11 + 12) * 8) / 8);
    expect(work.macs).toBe(500 + 50 + ((11 + 12) / 2) * 3);
  });

  it('in a window, counts the positions that a token sees', () => {
    const windowed = { ...MODEL, attention: [{ window: 12, kvBytes: 8, macs: 3 }] };
    // Steps of 3 and 2 tokens at 10 and 13: they see 11, 12, 12, and 12, 12 of the 13 and 13 positions that they read.
    const work = workPerToken(windowed, READ, 3);
    expect(work.bytes * 5).toBeCloseTo(2 * 1000 + 100 + (13 + 13) * 8, 9);
    expect(work.macs * 5).toBeCloseTo(5 * 500 + 50 + (11 + 12 + 12 + 12 + 12) * 3, 9);
  });

  it('of experts, counts those that the tokens of a step pick', () => {
    const experts = [
      { part: 'body', bytes: 8000, share: 1 / 4 },
      { part: 'head', bytes: 400, share: 1 / 2 },
    ] as const;
    const extra = (test: typeof READ, maxTokens: number) =>
      workPerToken({ ...MODEL, experts }, test, maxTokens).bytes - workPerToken(MODEL, test, maxTokens).bytes;
    const body = 8000 * (2 - (3 / 4) ** 3 - (3 / 4) ** 2); // steps of 3 and 2 tokens
    expect(extra(READ, 3) * 5).toBeCloseTo(body + 400 / 2, 9);
    expect(extra(WRITE, 512) * 8).toBeCloseTo(2 * (8000 * (1 - (3 / 4) ** 4) + 400 * (1 - (1 / 2) ** 4)), 9);
  });

  it('counts the tensors of a file: a tied head counts once, as the head', async () => {
    const gguf = await readGguf('tests/fixtures/tiny-llama.Q8_0.gguf');
    const graph = graphFromGguf(gguf);
    const config = graph.config as DecoderConfig;
    const memory = { weights: 0, kv: 2 * 100 * 40, arena: 0 };
    const executable = { memory } as never;
    const work = modelWork({ graph, executable, sequences: 2, contextLength: 100 });
    const { embeddingLength: C, feedForwardLength: F, nHeads: H, nKvHeads: G, headDim: D } = config;
    const ofRows = C * H * D + 3 * C * F; // of the last layer: needed by selected rows only
    expect(work.headMacs).toBe(C * config.vocabularySize + ofRows);
    expect(work.bodyMacs + ofRows).toBe(config.nLayers * (2 * C * H * D + 2 * C * G * D + 3 * C * F));
    const [attention] = work.attention;
    expect(attention).toMatchObject({ window: Infinity, macs: 2 * config.nLayers * H * D });
    const all = gguf.tensors.values().reduce((sum, { bytes }) => sum + bytes, 0);
    const looked = gguf.tensors.has('output.weight') ? gguf.tensors.get('token_embd.weight')!.bytes : 0;
    expect(work.bodyBytes + work.headBytes).toBe(all - looked);
    expect(attention!.kvBytes).toBeCloseTo(40, 9);
  });

  it('gives shares of the roofs, or none', () => {
    const roofs = { readBytesPerSecond: 1e9, multiplyAddsPerSecond: 1e11 };
    expect(roofShares({ bytes: 1e6, macs: 1e8 }, 500, roofs)).toEqual({ memory: 0.5, multiply: 0.5 });
    expect(roofShares({ bytes: 1e6, macs: 1e8 }, 500, undefined)).toEqual({ memory: null, multiply: null });
  });
});

describe('the name of a model', () => {
  it.each([
    ['/models/SmolLM2-135M-Instruct-Q4_1.gguf', 'Q4_1', 'SmolLM2-135M-Instruct'],
    ['smol.q4_k_m.GGUF', 'Q4_K_M', 'smol'],
    ['smol.gguf', 'Q4_1', 'smol'],
    ['-Q4_1.gguf', 'Q4_1', '-Q4_1'],
  ])('%s of %s is %s', (path, type, title) => {
    expect(modelTitle(path, type)).toBe(title);
  });
});

describe('the type of a model', () => {
  const tensors = new Map(
    [
      ['a', 'Q5_0', 100],
      ['b', 'Q6_K', 150],
      ['c', 'Q5_0', 90],
    ].map(([name, type, bytes]) => [name as string, { type, bytes } as never]),
  );

  it('is the one in the file', () => {
    expect(modelType({ metadata: new Map([['general.file_type', 15]]), tensors })).toBe('Q4_K_M');
  });

  it('is otherwise the tensor type with the most bytes', () => {
    expect(modelType({ metadata: new Map(), tensors })).toBe('Q5_0');
    expect(modelType({ metadata: new Map([['general.file_type', 999]]), tensors })).toBe('Q5_0');
  });
});
