/** Properties of the WebGPU backend beyond the contract: few dispatches, no allocation in a step, clear failures. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Backend, Executable, Slice } from '../../backends/backend.ts';
import type { WebgpuExecutable } from '../../backends/webgpu/executable.ts';
import { createWebgpuBackend, type WebgpuBackend, type WebgpuOptions } from '../../backends/webgpu/index.ts';
import { Pipelines } from '../../backends/webgpu/pipelines.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import { stepWith } from '../../bench/conformance/op-case.ts';
import type { DecoderConfig } from '../../core/architectures/decoder.ts';
import type { GraphTensor } from '../../core/architectures/graph-tensors.ts';
import { programOn } from '../../core/program.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { llamaGraph } from '../llama-graph.ts';
import { titled } from '../titled.ts';
import { allRows, greedyIds, lastRows } from './steps.ts';

const adapter = inject('adapters').find(({ absent }) => !absent);
const absent = adapter ? undefined : 'there is no adapter';

/** SmolLM2's proportions, two layers of it. */
const CONFIG: DecoderConfig = {
  contextLength: 96,
  embeddingLength: 128,
  feedForwardLength: 192,
  nLayers: 2,
  nHeads: 6,
  nKvHeads: 2,
  headDim: 32,
  vocabularySize: 300,
  rmsEps: 1e-5,
  rope: { layout: 'interleaved', inverseFrequencies: Array.from({ length: 16 }, (_, i) => 100 ** (-i / 16)) },
};

async function load(backend: Backend, type: TensorType = 'Q4_1', sequences = 2): Promise<WebgpuExecutable> {
  const typeOf = (_: string, rows: number) => (rows === 1 ? 'F32' : type);
  let seed = 0;
  const source = ({ rows, cols }: GraphTensor) => {
    const matrix = randomMatrix(rows === 1 ? 'F32' : type, rows, cols, rows === 1 ? 1 : 0.3);
    const bytes = matrix.bytes.slice();
    if (rows === 1) new Float32Array(bytes.buffer).fill(1 + (seed++ % 3) / 10);
    return { bytes };
  };
  const { contextLength } = CONFIG;
  const limits = { sequences, contextLength, maxTokens: 48, kvType: 'f16' } as const;
  const program = programOn(backend, llamaGraph(CONFIG, { typeOf }), { name: 'small llama', limits, source });
  return (await backend.compile(program)) as WebgpuExecutable;
}

const tokens = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => (7 * (i + from) + 3) % 300);
const slice = (seq: number, pos: number, ids: number[]): Slice => ({ seq, pos, tokens: ids });
const best = (logits: Float32Array) => logits.indexOf(Math.max(...logits));

describe.skipIf(absent)(titled('the WebGPU backend', absent), () => {
  const backends: Backend[] = [];
  async function start(options: WebgpuOptions = {}): Promise<WebgpuBackend> {
    const backend = (await createWebgpuBackend({ lazy: true, ...options })) as WebgpuBackend;
    backends.push(backend);
    return backend;
  }
  afterAll(async () => {
    for (const backend of backends) await backend.dispose();
  });

  describe('a step', () => {
    let backend: WebgpuBackend;
    let executable: WebgpuExecutable;
    beforeAll(async () => {
      backend = await start({ profile: true });
      executable = await load(backend);
    });

    it('of one token takes at most 8 dispatches a layer', async () => {
      await lastRows(executable, slice(0, 0, [1]));
      const first = executable.kernelTimes().reduce((sum, { dispatches }) => sum + dispatches, 0);
      await lastRows(executable, slice(0, 1, [2]));
      const both = executable.kernelTimes().reduce((sum, { dispatches }) => sum + dispatches, 0);
      const beside = 6; // embed, two selects and a rounding in the last layer, norm and head
      expect((both - first - beside) / CONFIG.nLayers).toBeLessThanOrEqual(8);
    });

    it('creates only its command encoder', async () => {
      const { device } = backend.gpu;
      const created: string[] = [];
      for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(device))) {
        if (!/^create/.test(name) || name === 'createCommandEncoder') continue;
        const original = (device as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!;
        Object.defineProperty(device, name, {
          configurable: true,
          value: (...args: unknown[]) => {
            created.push(name);
            return original.apply(device, args);
          },
        });
      }
      device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE }).destroy();
      expect(created).toEqual(['createBuffer']); // the count counts
      created.length = 0;
      for (let pos = 2; pos < 8; pos++) await lastRows(executable, slice(0, pos, [pos]));
      expect(created).toEqual([]);
    });

    it('is timed kernel by kernel', () => {
      const products = executable.kernelTimes().find(({ kernel }) => kernel === 'matmul-pairs')!;
      expect(products.seconds).toBeGreaterThan(0);
      expect(products.bytes).toBeGreaterThan(0);
      expect(products.macs).toBeGreaterThan(0);
    });
  });

  describe('choices on the device', () => {
    let executable: Executable;
    beforeAll(async () => {
      executable = await load(await start({ validation: true }), 'Q4_1', 9);
    });

    it('greedy: the ids that the logits give, fed back, and a matching cache', async () => {
      const prompt = tokens(20);
      const expected: number[] = [];
      let logits = await lastRows(executable, slice(0, 0, prompt));
      for (let pos = prompt.length; expected.length < 6; pos++) {
        expected.push(best(logits));
        logits = await lastRows(executable, slice(0, pos, [expected.at(-1)!]));
      }
      executable.kvTrim(0, 0);
      expect(await greedyIds(executable, 6, slice(0, 0, prompt))).toEqual([expected]);
      const again = await lastRows(executable, slice(0, prompt.length + 5, [expected.at(-1)!]));
      expect(again).toEqual(logits);
    });

    it('greedy for several sequences at once', async () => {
      const prompts = [tokens(3), tokens(4, 50)];
      const expected: number[][] = [];
      for (const [seq, prompt] of prompts.entries()) {
        executable.kvTrim(seq, 0);
        let logits = await lastRows(executable, slice(seq, 0, prompt));
        const ids: number[] = [];
        for (let i = 0; i < 3; i++) {
          ids.push(best(logits));
          logits = await lastRows(executable, slice(seq, prompt.length + i, [ids.at(-1)!]));
        }
        expected.push(ids);
        executable.kvTrim(seq, 0);
      }
      const slices = prompts.map((ids, seq) => slice(seq, 0, ids));
      expect(await greedyIds(executable, 3, ...slices)).toEqual(expected);
    });

    it.each([1, 5, 64])('the %i largest logits, and the sum over all', async (count) => {
      const slices = Array.from({ length: 9 }, (_, seq) => slice(seq, 0, tokens(seq + 1, 9 * seq)));
      const all = await lastRows(executable, ...slices);
      const tops = await executable.submit(stepWith({ kind: 'top', count }, ...slices));
      for (const [row, top] of tops.entries()) {
        const logits = all.subarray(row * 300, (row + 1) * 300);
        const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, count);
        const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
        expect(top).toEqual({
          kind: 'top',
          ids: Int32Array.from(order),
          logits: Float32Array.from(order, (id) => logits[id]!),
          logSumExp: expect.closeTo(Math.log(sum), 4),
        });
      }
    });

    it('reject more greedy tokens than the context holds', async () => {
      await lastRows(executable, slice(0, 0, tokens(48)));
      const greedy = (count: number) => greedyIds(executable, count, slice(0, 48, tokens(48)));
      expect(() => greedy(2)).toThrow(/^Expected at most 96 tokens, the context length, got 97\.$/);
      expect(await greedy(1)).toEqual([[expect.any(Number)]]);
    });
  });

  it.each([
    ['packed dot products, lanes that meet in subgroups', { packedDot: true, lanes: 4 }],
    [
      'packed dot products, lanes that meet in memory, tiles',
      { packedDot: true, lanes: 8, subgroupSize: 0, tiles: true },
    ],
    ['pairs of rows, lanes that meet in memory', { lanes: 8, subgroupSize: 0, workgroup: 64 }],
    ['nothing optional', { packedDot: false, subgroupSize: 0, f16: false }],
  ])('gives the same logits with %s', async (_, tuning) => {
    const prompt = tokens(40);
    const expected = await allRows(await load(await start()), slice(0, 0, prompt));
    const other = await load(await start({ tuning, validation: true }));
    const logits = await allRows(other, slice(0, 0, prompt));
    let [errors, squares] = [0, 0];
    logits.forEach((logit, i) => {
      errors += (logit - expected[i]!) ** 2;
      squares += expected[i]! ** 2;
    });
    // Other orders of float32 sums, and occasionally another rounding to 8 bits.
    expect(errors / squares).toBeLessThan(5e-5);
  });

  it('splits weights that are larger than one binding', async () => {
    const whole = await lastRows(await load(await start(), 'Q8_0'), slice(0, 0, tokens(40)));
    const backend = await start({ bindingLimit: 20_000, validation: true });
    await expect(load(backend, 'Q8_0')).rejects.toMatchObject({ kind: 'memory' }); // activations are not split
    const split = await start({ bindingLimit: 70_000, validation: true });
    expect(await lastRows(await load(split, 'Q8_0'), slice(0, 0, tokens(40)))).toEqual(whole);
  });

  it('reports what does not fit in one buffer, before it computes', async () => {
    const backend = await start();
    await expect(load(backend, 'Q4_0', 100_000)).rejects.toMatchObject({
      kind: 'memory',
      message: expect.stringMatching(
        /^Expected keys of state 0 to fit in one buffer of the device, \d+ MB, got \d+ MB\.$/,
      ),
    });
    const executable = await load(backend, 'Q4_0');
    expect(await lastRows(executable, slice(0, 0, [1]))).toHaveLength(300);
  });

  it('reports a kernel that the device rejects, validated or not', async () => {
    for (const validation of [true, false]) {
      const { gpu } = await start({ validation });
      if (gpu.has('shader-f16')) continue;
      const call = {
        kernel: 'matmul-float',
        definitions: { WEIGHTS: 'f16', F16: true, TOKENS: 1, ROWS_EACH: 4, LANES_MEET: 'none' },
        ...{
          constants: {},
          bindings: {},
          grid: () => [1, 1, 1] as const,
          work: () => ({ bytes: 0, macs: 0 }),
        },
      };
      const compiling = gpu.guarded(() => new Pipelines(gpu).dispatch(call));
      await expect(compiling).rejects.toMatchObject({ name: 'UserError', kind: 'device' });
    }
  });

  it('ends a step with a clear error if its device is destroyed', async () => {
    const backend = await start();
    const executable = await load(backend);
    await lastRows(executable, slice(0, 0, tokens(10)));
    const running = lastRows(executable, slice(0, 10, [1]));
    backend.gpu.device.destroy();
    await expect(running).rejects.toMatchObject({ name: 'UserError', kind: 'device' });
    expect(() => lastRows(executable, slice(0, 11, [1]))).toThrow(/was lost while it computed/);
  });
});
