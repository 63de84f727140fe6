import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { patiently } from '../../backends/webgpu/patience.ts';

/** Turns of the event loop until `work` is through. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let done = false;
  work.finally(() => {
    done = true;
  });
  let turns = 0;
  for (; !done; turns++) await turn();
  return turns;
}

describe('waiting patiently', () => {
  it('gives what was promised, failures too', async () => {
    expect(await patiently(sleep(20, 'late'))).toBe('late');
    expect(await patiently(Promise.resolve('at once'))).toBe('at once');
    await expect(patiently(Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('lets the event loop rest, and turn on', async () => {
    const restless = await turnsDuring(sleep(60));
    const patient = await turnsDuring(patiently(sleep(60)));
    expect(patient).toBeLessThan(restless / 3);
    expect(patient).toBeGreaterThan(3);
  });

  it('rests once a turn, however many wait and have waited', async () => {
    for (let i = 0; i < 200; i++) await patiently(turn());
    const alone = await turnsDuring(patiently(sleep(60)));
    const together = await turnsDuring(
      Promise.all([patiently(sleep(60)), patiently(sleep(60)), patiently(sleep(60))]),
    );
    expect(together).toBeGreaterThan(alone / 3);
  });
});
