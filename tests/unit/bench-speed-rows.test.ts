import { describe, expect, it } from 'vitest';
import type { LoadedModel } from '../../bench/events.ts';
import { speedRows, type TestSamples } from '../../bench/speed-rows.ts';
import { READ, WRITE } from './bench-events.ts';

const MODEL: LoadedModel = {
  ...{ model: 'SmolLM2', type: 'Q4_1', backend: 'cpu', threads: 2, kvType: 'q8' },
  work: [
    { bytes: 0.2e6, macs: 100e6 },
    { bytes: 100e6, macs: 130e6 },
  ],
  steps: [1, 128],
};

function roofs(gigabytes: number) {
  return { readBytesPerSecond: gigabytes * 1e9, multiplyAddsPerSecond: 400e9 };
}

const READING: TestSamples = { test: READ, samples: [1000, 1000], peers: [], roofs: [roofs(50), roofs(20)] };
const WRITING: TestSamples = { test: WRITE, samples: [300, 320, 340], peers: [], roofs: [roofs(25)] };

describe('rows of a target', () => {
  it('all shares refer to the best roofs of the target, in whichever test they were measured', () => {
    for (const tests of [
      [READING, WRITING],
      [
        { ...READING, roofs: [] },
        { ...WRITING, roofs: [roofs(25), roofs(50)] },
      ],
    ]) {
      const rows = speedRows(MODEL, tests);
      expect(rows.map(({ test, memory_roof_share }) => [test, memory_roof_share])).toEqual([
        ['pp512', (0.2e6 * 1000) / 50e9],
        ['tg128', (100e6 * 320) / 50e9],
      ]);
    }
  });

  it('a test without a run has none; a peer is compared in the runs that it has', () => {
    const peers = [{ name: 'llama-bench', samples: [150] }];
    const rows = speedRows(MODEL, [
      { ...READING, samples: [] },
      { ...WRITING, peers },
    ]);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ test: 'tg128', tok_s: 320, ratio: 2, peer: { samples: [150] } });
  });
});
