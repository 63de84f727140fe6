/** The rows of a target, from the samples of its tests: of all runs, or of those so far. */
import type { Roofs } from '../backends/backend.ts';
import type { LoadedModel } from './events.ts';
import type { Speed, SpeedRow } from './rows.ts';
import { type SpeedTest, testName } from './speed-test.ts';
import { bestRoofs, mean, median, pairedRatio, standardDeviation } from './statistics.ts';
import { roofShares } from './work.ts';

export interface TestSamples {
  readonly test: SpeedTest;
  readonly samples: readonly number[]; // tokens a second of percept's runs
  readonly peers: readonly PeerSamples[];
  readonly roofs: readonly Roofs[]; // a probe after each run
}

export interface PeerSamples {
  readonly name: string;
  readonly samples: readonly number[]; // tokens a second, each taken beside percept's of the same place
}

/** The best probe of a target: another program may compute beside any of them. */
export function roofsOf(tests: readonly TestSamples[]): Roofs | undefined {
  return bestRoofs(tests.flatMap(({ roofs }) => roofs));
}

/**
 * A row per test, or per test and peer; none for a test without a run. All shares refer to the same roofs, the best of
 * the target. @param tests all of the target, in order
 */
export function speedRows(model: LoadedModel, tests: readonly TestSamples[]): SpeedRow[] {
  const roofs = roofsOf(tests);
  return tests.flatMap((test, i) => (test.samples.length > 0 ? testRows(model, test, i, roofs) : []));
}

function testRows(
  { work, steps: _, kvType, ...identity }: LoadedModel,
  { test, samples, peers }: TestSamples,
  place: number,
  roofs: Roofs | undefined,
): SpeedRow[] {
  const speed = speedOf(samples);
  const shares = roofShares(work[place]!, speed.median, roofs);
  const row: SpeedRow = {
    ...identity,
    kv_type: kvType,
    test: testName(test),
    depth: test.depth,
    ...speed,
    bytes_per_token: work[place]!.bytes,
    memory_roof_share: shares.memory,
    multiply_roof_share: shares.multiply,
  };
  return peers.length > 0 ? peers.map((peer) => ({ ...row, ...besides(samples, peer) })) : [row];
}

function besides(own: readonly number[], { name, samples }: PeerSamples): Partial<SpeedRow> {
  const ratio = pairedRatio(own.slice(0, samples.length), samples);
  return {
    peer: { name, ...speedOf(samples) },
    ratio: ratio.median,
    ratio_spread: [ratio.least, ratio.most],
  };
}

function speedOf(samples: readonly number[]): Speed {
  return { tok_s: mean(samples), sd: standardDeviation(samples), median: median(samples), samples };
}
