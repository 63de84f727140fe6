/**
 * Caches of what windows see. A state whose readers all have a window can be a ring: position p lies where position
 * p - `positions` lay, so its memory does not grow with the context. A sequence can then go back only as far as the ring
 * still holds what the window sees there.
 */
import type { Program, Ring } from './backend.ts';

/** Positions that a sequence can always go back: a question and its answer. */
const WAY_BACK = 1024;
/** A ring has a multiple of this many positions. */
export const RING_UNIT = 256;

/** The ring of a program; undefined if no state can be one, or if it would take as much memory as whole contexts. */
export function ringOf({
  ops,
  states,
  limits,
}: Pick<Program, 'ops' | 'states' | 'limits'>): Ring | undefined {
  const windows = states.map(() => 0);
  for (const op of ops) {
    if (op.op !== 'attention') continue;
    const window = op.causal === false ? undefined : op.window;
    windows[op.state] = Math.max(windows[op.state]!, window ?? Number.POSITIVE_INFINITY);
  }
  const seen = [...windows.keys()].filter((id) => windows[id]! > 0 && Number.isFinite(windows[id]));
  const window = Math.max(0, ...seen.map((id) => windows[id]!));
  const positions = RING_UNIT * Math.ceil((window + limits.maxTokens + WAY_BACK) / RING_UNIT);
  const whole = limits.positions ?? limits.sequences * limits.contextLength;
  if (seen.length === 0 || limits.sequences * positions >= whole) return undefined;
  return { window, positions, states: new Set(seen) };
}
