import { resolve } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type LoadProgress, whileTelling } from '../../core/load-progress.ts';
import { loadModel } from '../../core/model.ts';
import { score } from '../../core/score.ts';
import { fakeModel } from './fake-model.ts';

const TINY_MODEL = resolve(import.meta.dirname, '../fixtures/tiny-llama.Q8_0.gguf');

afterEach(() => {
  vi.useRealTimers();
});

describe('the progress of loading', () => {
  function told(readBytes?: () => number) {
    vi.useFakeTimers();
    const seen: LoadProgress[] = [];
    const backend = { name: 'fake', readBytes };
    const telling = (compile: () => Promise<string>) =>
      whileTelling({ backend, weightBytes: 100 }, (progress) => seen.push(progress), compile);
    return { seen, telling };
  }

  it('is reported every tenth of a second, and kernels are compiled once all weights are read', async () => {
    let read = 1000; // by an earlier program
    const { seen, telling } = told(() => read);
    const result = await telling(async () => {
      for (; read < 1120; read += 60) vi.advanceTimersByTime(100);
      return 'compiled';
    });
    vi.advanceTimersByTime(1000);
    expect(result).toBe('compiled');
    expect(seen).toEqual([
      { stage: 'weights', weightBytes: 100, readBytes: 0 },
      { stage: 'weights', weightBytes: 100, readBytes: 0 },
      { stage: 'weights', weightBytes: 100, readBytes: 60 },
    ]);
    const { seen: more, telling: again } = told(() => (read += 60));
    await again(async () => {
      vi.advanceTimersByTime(200);
      return '';
    });
    expect(more.map(({ stage, readBytes }) => [stage, readBytes])).toEqual([
      ['weights', 60],
      ['kernels', 100],
      ['kernels', 100],
    ]);
  });

  it('has no count if the backend reports none, and ends at a failure', async () => {
    const { seen, telling } = told();
    await expect(telling(() => Promise.reject(new Error('no memory')))).rejects.toThrow('no memory');
    vi.advanceTimersByTime(1000);
    expect(seen).toEqual([{ stage: 'weights', weightBytes: 100 }]);
  });

  it('goes through the stages in order', async () => {
    const stages = new Set<string>();
    const onProgress = ({ stage }: LoadProgress) => stages.add(stage);
    const model = await loadModel(TINY_MODEL, { backend: 'reference', contextLength: 32, onProgress });
    await model.dispose();
    expect([...stages].slice(0, 3)).toEqual(['header', 'backend', 'weights']);
  });
});

describe('the progress of scoring', () => {
  it('counts the predicted tokens, from none to all', async () => {
    const seen: [number, number][] = [];
    const ids = Array.from({ length: 45 }, (_, i) => i);
    const onProgress = (done: number, total: number) => seen.push([done, total]);
    for await (const _ of score(fakeModel({ maxTokens: 8 }), ids, { chunkTokens: 20, onProgress }));
    expect(seen.map(([done]) => done)).toEqual([0, 8, 16, 19, 27, 35, 38]);
    expect(new Set(seen.map(([, total]) => total))).toEqual(new Set([38]));
  });
});
