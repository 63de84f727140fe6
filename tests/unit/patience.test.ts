import { setImmediate as nextIteration, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { patiently } from '../../backends/webgpu/patience.ts';

/** Iterations of the event loop until `work` has finished. */
async function iterationsDuring(work: Promise<unknown>): Promise<number> {
  let done = false;
  work.finally(() => {
    done = true;
  });
  let iterations = 0;
  for (; !done; iterations++) await nextIteration();
  return iterations;
}

describe('patient waiting', () => {
  it('passes on results and failures', async () => {
    expect(await patiently(sleep(20, 'late'))).toBe('late');
    expect(await patiently(Promise.resolve('at once'))).toBe('at once');
    await expect(patiently(Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('lets the event loop rest, and continue', { retry: 2 }, async () => {
    // a busy machine may take the core
    const restless = await iterationsDuring(sleep(60));
    const patient = await iterationsDuring(patiently(sleep(60)));
    expect(patient).toBeLessThan(restless / 3);
    expect(patient).toBeGreaterThan(3);
  });

  it('rests once an iteration, however many waits there are and were', { retry: 2 }, async () => {
    for (let i = 0; i < 200; i++) await patiently(nextIteration());
    const alone = await iterationsDuring(patiently(sleep(60)));
    const together = await iterationsDuring(
      Promise.all([patiently(sleep(60)), patiently(sleep(60)), patiently(sleep(60))]),
    );
    expect(together).toBeGreaterThan(alone / 3);
  });
});
