/** A real device that is lost in the middle of an answer: with `auto` the answer continues, by name it is an error. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, inject, it } from 'vitest';
import type { Backend } from '../../backends/backend.ts';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { createWebgpuBackend, type WebgpuBackend } from '../../backends/webgpu/index.ts';
import { graphFromGguf } from '../../core/architectures/index.ts';
import { startEngine } from '../../core/engine.ts';
import { generate } from '../../core/generate.ts';
import { readGguf } from '../../core/gguf/index.ts';
import { programOn } from '../../core/program.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { samplerParameters } from '../../core/sampler/parameters.ts';
import { Scheduler } from '../../core/scheduler.ts';
import { Sequence } from '../../core/sequence.ts';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import { TINY_MODEL } from '../cli/percept.ts';
import { titled } from '../titled.ts';

const [adapter] = inject('adapters');
const SIZES = { contextLength: 128, sequences: 1, maxTokens: 32 };
const PROMPT = [3, 1, 4, 1, 5, 9, 2, 6];
const TOKENS = 12;

describe.skipIf(adapter!.absent)(titled('a device that is lost', adapter!.absent), async () => {
  const gguf = await readGguf(TINY_MODEL);
  const tokenizer = tokenizerFromGguf(gguf);
  const cacheDirectory = mkdtempSync(join(tmpdir(), 'percept-lost-'));
  afterAll(() => rmSync(cacheDirectory, { recursive: true }));

  const compile = async (backend: Backend) => {
    const source = ({ offset }: { offset: number }) => ({ path: TINY_MODEL, offset });
    return backend.compile(programOn(backend, graphFromGguf(gguf), { name: 'lost', limits: SIZES, source }));
  };

  /** An engine on webgpu, and a function that loses its device. */
  async function started(wanted: string, notes: string[]) {
    let webgpu: WebgpuBackend | undefined;
    const selectBackend = async (name: string): Promise<Backend> => {
      if (name === 'cpu') return createCpuBackend({ threads: 1 });
      Object.assign(process.env, adapter!.environment);
      webgpu = (await createWebgpuBackend({ lazy: true })) as WebgpuBackend;
      return webgpu;
    };
    const engine = await startEngine(
      { name: 'tiny', weightBytes: 1e6, ...SIZES, compile },
      {
        ...{ backend: wanted, cacheDirectory, onNote: ({ text }) => notes.push(text) },
        backends: { selectBackend, candidates: async () => [{ name: 'webgpu' }] },
      },
    );
    return { engine, lose: () => webgpu!.gpu.device.destroy() };
  }

  /** Greedy ids, `onToken` called after each. */
  async function answer(engine: Awaited<ReturnType<typeof startEngine>>, onToken: (count: number) => void) {
    const { executable } = engine;
    const scheduler = new Scheduler(executable, SIZES.maxTokens);
    const model = {
      executable,
      scheduler,
      tokenizer,
      recurrent: false,
      trainedContext: SIZES.contextLength,
      ...SIZES,
    };
    const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), tokenizer);
    const ids: number[] = [];
    const options = { sampler, maxTokens: TOKENS, ignoreEos: true };
    for await (const { id } of generate(new Sequence(model), PROMPT, options)) onToken(ids.push(id));
    return ids;
  }

  it('moves the answer to cpu', async () => {
    const notes: string[] = [];
    const whole = await started('auto', notes);
    const expected = await answer(whole.engine, () => {});
    expect(whole.engine.backend.name).toBe('webgpu');
    await whole.engine.dispose();

    const { engine, lose } = await started('auto', notes);
    const ids = await answer(engine, (count) => count === 5 && lose());
    expect(engine.backend.name).toBe('cpu');
    expect(ids).toEqual(expected);
    expect(notes).toEqual([expect.stringMatching(/ Continuing on cpu\.$/)]);
    await engine.dispose();
  });

  it('is an error of kind device if webgpu was requested by name', async () => {
    const { engine, lose } = await started('webgpu', []);
    const failure = await answer(engine, (count) => count === 3 && lose()).catch((error) => error);
    expect(failure).toMatchObject({
      name: 'UserError',
      kind: 'device',
      message: expect.stringContaining('lost'),
    });
    await engine.dispose();
  });
});
