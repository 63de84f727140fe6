import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../backends/backend.ts';
import { selectBackend } from '../../backends/select.ts';
import { casesNamed, type TimedCase, timedCases } from '../../bench/conformance/cases.ts';
import { measureKernel } from '../../bench/kernel-speed.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';

describe('kernels that are timed', () => {
  let backend: Backend;
  let cases: TimedCase[];
  beforeAll(async () => {
    backend = await selectBackend('cpu', { threads: 1 });
    cases = timedCases(backend);
  });
  afterAll(() => backend.dispose());

  it('cover every weight type that the backend computes, and every op', () => {
    const types = new Set(cases.flatMap(({ type }) => type ?? []));
    for (const type of ['F32', 'F16', 'Q4_0', 'Q8_0'] as TensorType[]) expect(types).toContain(type);
    for (const type of types) expect(backend.supports({ op: 'matmul', x: 0, weight: 0 }, [type])).toBe(true);
    const ops = new Set(cases.map(({ op }) => op));
    const timed = ['matmul', 'attention', 'expert-matmul', 'scan', 'norm', 'rope', 'softmax', 'map', 'zip'];
    expect([...ops]).toEqual(timed);
  });

  it('are selected by words', () => {
    expect(casesNamed(cases, []).length).toBe(cases.length);
    const chosen = casesNamed(cases, ['q4_0', 'matmul', '576 -> 1536']);
    expect(chosen.map(({ op, type, tokens }) => `${op} ${type} ${tokens}`)).toEqual([
      'matmul Q4_0 1',
      'matmul Q4_0 4',
      'matmul Q4_0 512',
    ]);
    expect(casesNamed(cases, ['q4_0', 'rope'])).toEqual([]);
    expect(casesNamed(cases, ['attention', 'q8']).map(({ tokens }) => tokens)).toEqual([1, 4, 512]);
  });

  it('count their work', () => {
    const [one, four] = casesNamed(cases, ['q4_0', '576 -> 1536']);
    expect(one!.work).toEqual({ macs: 576 * 1536, bytes: (576 / 32) * 18 * 1536 + 4 * (576 + 1536) });
    expect(four!.work.macs).toBe(4 * one!.work.macs);
    const [next] = casesNamed(cases, ['attention']);
    expect(next!.work.macs).toBe(2 * 2049 * 9 * 64);
  });

  it.each([
    ['q8_0', '1536 -> 576'],
    ['zip', 'mul of 4096'],
    ['map', 'silu'],
  ])('run: %s %s', async (...words) => {
    const kernel = casesNamed(cases, words.filter(Boolean)).find(
      ({ op, tokens }) => tokens === 4 && (op === 'matmul' || op === words[0]),
    )!;
    const row = await measureKernel({ backend: 'cpu', threads: 1 }, kernel);
    expect(row).toMatchObject({
      backend: 'cpu',
      threads: 1,
      op: kernel.op,
      type: kernel.type ?? null,
      tokens: 4,
    });
    expect(row.gb_s * row.ms).toBeCloseTo(kernel.work.bytes / 1e6, 6);
    expect(row.gmac_s * row.ms).toBeCloseTo(kernel.work.macs / 1e6, 6);
    expect(row.memory_roof_share).toBeGreaterThan(0);
  });
});
