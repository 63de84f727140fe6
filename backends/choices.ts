/** What a device makes of logits (Choice in backend.ts), made of those that an executable hands over. */
import type { Executable, Slice, Step, Ticket, TopLogits } from './backend.ts';

/** The `count` largest logits of each row of the step, which is started at once. */
export function topLogits(executable: Executable, step: Step, count: number): Promise<TopLogits> {
  const ticket = executable.submit(step);
  return ticket.logits().then((logits) => topOf(logits, rowsOf(step), count));
}

function topOf(logits: Float32Array, rows: number, count: number): TopLogits {
  const V = rows === 0 ? 0 : logits.length / rows;
  const top = {
    ids: new Int32Array(rows * count),
    logits: new Float32Array(rows * count),
    logSumExp: new Float32Array(rows),
  };
  for (let row = 0; row < rows; row++) {
    const values = logits.subarray(row * V, (row + 1) * V);
    const ids = largest(values, count);
    top.ids.set(ids, row * count);
    top.logits.set(
      Float32Array.from(ids, (id) => values[id]!),
      row * count,
    );
    top.logSumExp[row] = logSumExp(values, values[ids[0]!]!);
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
      const [id] = largest(logits.subarray(j * V, (j + 1) * V), 1);
      ids[j * count + i] = id!;
      return { seq, pos: pos + tokens.length, tokens: [id!] };
    });
  }
  return ids;
}

function rowsOf({ slices, logits }: Step): number {
  if (logits === 'none') return 0;
  return logits === 'last' ? slices.length : slices.reduce((sum, { tokens }) => sum + tokens.length, 0);
}

/** Ids of the largest values, descending, of equal ones the lowest id first. */
function largest(values: Float32Array, count: number): number[] {
  const ids: number[] = [];
  for (let id = 0; id < values.length; id++) {
    if (ids.length === count && values[id]! <= values[ids.at(-1)!]!) continue;
    let at = ids.length;
    while (at > 0 && values[id]! > values[ids[at - 1]!]!) at--;
    ids.splice(at, 0, id);
    if (ids.length > count) ids.pop();
  }
  return ids;
}

function logSumExp(values: Float32Array, max: number): number {
  let sum = 0;
  for (const value of values) sum += Math.exp(value - max);
  return max + Math.log(sum);
}
