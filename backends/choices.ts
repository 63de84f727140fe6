/** What a device makes of logits (Choice in backend.ts), made of those that an executable hands over. */
import type { Executable, Slice, Step, Ticket, TopLogits } from './backend.ts';
import { argmax, largest, logSumExp } from './logits.ts';

/** The `count` largest logits of each row of the step, which is started at once. */
export function topLogits(executable: Executable, step: Step, count: number): Promise<TopLogits> {
  const ticket = executable.submit(step);
  return ticket.logits().then((logits) => topOf(logits, rowsOf(step), count));
}

function topOf(logits: Float32Array, rows: number, count: number): TopLogits {
  const V = rows === 0 ? 0 : logits.length / rows;
  const top = {
    ids: new Int32Array(rows * count),
    logits: new Float32Array(rows * count).fill(-Infinity), // of places that a row does not fill
    logSumExp: new Float32Array(rows),
  };
  for (let row = 0; row < rows; row++) {
    const values = logits.subarray(row * V, (row + 1) * V);
    const ids = top.ids.subarray(row * count, (row + 1) * count);
    const found = largest(values, count, ids);
    for (let i = 0; i < found; i++) top.logits[row * count + i] = values[ids[i]!]!;
    top.logSumExp[row] = logSumExp(values);
  }
  return top;
}

/**
 * For each slice `count` tokens, each the largest logit, fed back as the next of its sequence: ids [slices, count]. The
 * first step is started at once.
 */
export function greedyIds(
  executable: Executable,
  slices: readonly Slice[],
  count: number,
): Promise<Int32Array> {
  return goOn(executable, slices, count, executable.submit({ slices, logits: 'last' }));
}

async function goOn(
  executable: Executable,
  slices: readonly Slice[],
  count: number,
  ticket: Ticket,
): Promise<Int32Array> {
  const ids = new Int32Array(slices.length * count);
  let next = slices;
  for (let i = 0; i < count; i++) {
    if (i > 0) ticket = executable.submit({ slices: next, logits: 'last' });
    const logits = await ticket.logits();
    const V = logits.length / slices.length;
    next = next.map(({ seq, pos, tokens }, j) => {
      const id = argmax(logits.subarray(j * V, (j + 1) * V));
      ids[j * count + i] = id;
      return { seq, pos: pos + tokens.length, tokens: [id] };
    });
  }
  return ids;
}

function rowsOf({ slices, logits }: Step): number {
  if (logits === 'none') return 0;
  return logits === 'last' ? slices.length : slices.reduce((sum, { tokens }) => sum + tokens.length, 0);
}
