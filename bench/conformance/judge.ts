/** Runs a case on a backend and says how far its rows are from those of the reference kernels. */
import type { Backend, Result, Slice } from '../../backends/backend.ts';
import { ReferenceBackend } from '../../backends/reference.ts';
import { rowsWanted } from '../../backends/results.ts';
import type { CheckedCase } from './cases.ts';
import type { Gradient } from './gradients.ts';

/** The reference computes in float64 and rounds its output to float32: a relative error of 6e-8. */
const REFERENCE_NMSE = 1e-14;

export interface Outcome {
  readonly rows: Float32Array; // all output rows of the case's actions, in order
  /** Sum of squared errors over the sum of squares, of all rows or of the worst part of one (`errorOf`). */
  readonly nmse: number;
  /** The buffer beside which a kernel wrote, if the backend checks that. */
  readonly damage: string | undefined;
}

export async function runCase(op: CheckedCase, backend: Backend): Promise<Outcome> {
  const { rows, damage } = await rowsOn(op, backend);
  const all = concatenated(rows);
  return { rows: all, nmse: errorOf(all, await expectedRows(op), op.check.parts), damage };
}

/** The output rows of a case on a backend, unjudged. */
export async function outputOf(op: CheckedCase, backend: Backend): Promise<Float32Array> {
  return concatenated((await rowsOn(op, backend)).rows);
}

async function rowsOn(
  op: CheckedCase,
  backend: Backend,
): Promise<{ rows: Float32Array[]; damage: string | undefined }> {
  const { weights, program, actions } = op.check;
  const ids = weights.map(({ desc, bytes }) => backend.weight(desc, { bytes }));
  const executable = await backend.compile(program(ids));
  try {
    const rows: Float32Array[] = [];
    for (const action of actions) {
      if ('copy' in action) executable.kvCopy(action.copy.from, action.copy.to, action.copy.upto);
      else if ('trim' in action) executable.kvTrim(action.trim.seq, action.trim.upto);
      else rows.push(...(await executable.submit(action)).map(numbersOf));
    }
    return { rows, damage: await executable.damage?.() };
  } finally {
    executable.dispose();
  }
}

/** The rows of a slice, one after the other. */
function numbersOf(result: Result): Float32Array {
  if (result.kind === 'logits') return result.logits;
  return result.kind === 'attention' ? result.weights : new Float32Array(0);
}

/** The largest error that the case allows a backend. */
export function limitOf({ check }: CheckedCase, backend: Pick<Backend, 'name'>): number {
  return backend.name === 'reference' ? REFERENCE_NMSE : check.tolerance.nmse;
}

const expectations = new WeakMap<CheckedCase, Promise<readonly Float64Array[]>>();

/** Expected rows: by the kernels, or by the reference backend. */
function expectedRows(op: CheckedCase): Promise<readonly Float64Array[]> {
  const known = expectations.get(op) ?? (op.check.expected ? rowsByKernels(op) : rowsByReference(op));
  expectations.set(op, known);
  return known;
}

/** Computes each row from the tokens that its sequence holds. */
async function rowsByKernels({ check }: CheckedCase): Promise<readonly Float64Array[]> {
  const held: number[][] = [[], [], []];
  const out: Float64Array[] = [];
  for (const action of check.actions) {
    if ('copy' in action) held[action.copy.to] = held[action.copy.from]!.slice(0, action.copy.upto);
    else if ('trim' in action) held[action.trim.seq]!.length = action.trim.upto;
    else {
      for (const slice of action.slices) {
        const { seq, pos, tokens } = slice;
        const all = [...held[seq]!.slice(0, pos), ...Array.from(tokens)];
        for (let i = rowsOf(slice) - 1; i >= 0; i--) out.push(check.expected!(all.slice(0, all.length - i)));
        held[seq] = all;
      }
    }
  }
  return out;
}

/** For programs: one row for each output of the steps, from the reference backend. */
async function rowsByReference(op: CheckedCase): Promise<readonly Float64Array[]> {
  const { rows } = await rowsOn(op, new ReferenceBackend());
  const slices = op.check.actions.flatMap((action) => ('slices' in action ? action.slices : []));
  return rows.flatMap((all, i) => {
    const count = rowsOf(slices[i]!);
    const cols = all.length / count;
    return Array.from({ length: count }, (_, row) =>
      Float64Array.from(all.subarray(row * cols, (row + 1) * cols)),
    );
  });
}

/** Attention weights count as a row. */
function rowsOf(slice: Slice): number {
  return slice.want?.kind === 'attention' ? 1 : rowsWanted(slice);
}

/**
 * Bound on the error of one part of a row, relative to that of all rows together. The few numbers of a part may
 * cancel, so that their squares are small beside the terms of their sums. The largest ratio seen is 38 (attention over
 * 200 random keys).
 */
const PART_SLACK = 100;

/**
 * Sum of squared errors over the sum of squares, of all rows; or that of the worst part of a row, divided by
 * PART_SLACK, if it is larger. In the pooled sum alone, one head of one token left at zero would vanish among
 * thousands of correct ones. Infinity if the number of values differs.
 */
export function errorOf(got: Float32Array, rows: readonly Float64Array[], parts: number): number {
  if (got.length !== lengthOf(rows)) return Number.POSITIVE_INFINITY;
  const all = { errors: 0, squares: 0 };
  let worst = 0;
  let at = 0;
  for (const row of rows) {
    const length = row.length / parts;
    for (let from = 0; from < row.length; from += length) {
      const part = { errors: 0, squares: 0 };
      for (let i = from; i < from + length; i++) {
        part.errors += (got[at + i]! - row[i]!) ** 2;
        part.squares += row[i]! ** 2;
      }
      all.errors += part.errors;
      all.squares += part.squares;
      worst = Math.max(worst, ratioOf(part)); // keeps NaN
    }
    at += row.length;
  }
  return Math.max(ratioOf(all), worst / PART_SLACK);
}

/** Sum of squared errors of a whole tensor's gradient over the sum of squares, at the entries that are judged. */
export function gradientError({ entries, values, kinks }: Gradient, got: ArrayLike<number>): number {
  const sum = { errors: 0, squares: 0 };
  for (const [n, i] of entries.entries()) {
    if (kinks.includes(i)) continue;
    sum.errors += (got[i]! - values[n]!) ** 2;
    sum.squares += values[n]! ** 2;
  }
  return ratioOf(sum);
}

function ratioOf({ errors, squares }: { errors: number; squares: number }): number {
  return errors === 0 ? 0 : errors / squares;
}

function lengthOf(parts: readonly { readonly length: number }[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
