/** Decode speed in tokens a second, measured like an answer: after a short prompt, one token a step. */
import type { Executable, Want } from '../backends/backend.ts';

const PROMPT = 16; // tokens
const WARM_UP = 8; // steps before the measurement: clocks rise, caches fill
const TIMED = 24;
const TOP = 40; // logits for the sampler, if the device selects them

export async function decodeSpeed(
  executable: Executable,
  { contextLength, maxTokens }: { readonly contextLength: number; readonly maxTokens: number },
): Promise<number> {
  const top = Math.min(TOP, executable.chooses?.top ?? 0);
  const want: Want = top === 0 ? { kind: 'logits' } : { kind: 'top', count: top };
  const run = (pos: number, count: number) =>
    executable.submit({ slices: [{ seq: 0, pos, tokens: new Int32Array(count), want }] });
  const prompt = Math.max(1, Math.min(PROMPT, maxTokens, contextLength - WARM_UP - TIMED));
  await run(0, prompt);
  const times: number[] = [];
  for (let pos = prompt; times.length < WARM_UP + TIMED && pos < contextLength; pos++) {
    const start = performance.now();
    await run(pos, 1);
    times.push(performance.now() - start);
  }
  const counted = times.slice(Math.min(WARM_UP, times.length >> 1)).sort((a, b) => a - b);
  return 1000 / (counted[counted.length >> 1] ?? Number.POSITIVE_INFINITY);
}
