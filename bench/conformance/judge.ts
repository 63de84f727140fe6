/** Runs a case on a backend and says how far its rows are from those of the reference kernels. */
import type { Backend, Step, Ticket } from '../../backends/backend.ts';
import type { CheckedCase } from './cases.ts';

/** The reference computes in float64 and rounds its output to float32, 6e-8 of a value. */
const REFERENCE_NMSE = 1e-14;

export interface Outcome {
  readonly rows: Float32Array; // all output rows of the case's actions, one after the other
  readonly nmse: number; // sum of squared errors over the sum of squares
  /** The buffer beside which something was written, of backends that look for it. */
  readonly damage: string | undefined;
}

export async function runCase(op: CheckedCase, backend: Backend): Promise<Outcome> {
  const { weights, program, actions } = op.check;
  const ids = weights.map(({ desc, bytes }) => backend.weight(desc, { bytes }));
  const executable = await backend.compile(program(ids));
  try {
    const out: Float32Array[] = [];
    for (const action of actions) {
      if ('copy' in action) executable.kvCopy(action.copy.from, action.copy.to, action.copy.upto);
      else if ('trim' in action) executable.kvTrim(action.trim.seq, action.trim.upto);
      else out.push(await rowsOf(executable.submit(action), action));
    }
    const rows = concatenated(out, new Float32Array(lengthOf(out)));
    return { rows, nmse: nmseOf(rows, expectedRows(op)), damage: await executable.damage?.() };
  } finally {
    executable.dispose();
  }
}

async function rowsOf({ logits, attention }: Ticket, step: Step): Promise<Float32Array> {
  if (!step.attention) return (await logits()).slice();
  if (!attention)
    throw new Error('Expected the weights of attention, which the program asks for; none came.');
  return attention();
}

/** The largest error that the case allows a backend. */
export function limitOf({ check }: CheckedCase, backend: Pick<Backend, 'name'>): number {
  return backend.name === 'reference' ? REFERENCE_NMSE : check.tolerance.nmse;
}

const expectations = new WeakMap<CheckedCase, Float64Array>();

/** The same rows by definition, from the tokens that each sequence holds. */
function expectedRows(op: CheckedCase): Float64Array {
  const known = expectations.get(op);
  if (known) return known;
  const held: number[][] = [[], [], []];
  const out: Float64Array[] = [];
  for (const action of op.check.actions) {
    if ('copy' in action) held[action.copy.to] = held[action.copy.from]!.slice(0, action.copy.upto);
    else if ('trim' in action) held[action.trim.seq]!.length = action.trim.upto;
    else {
      for (const { seq, pos, tokens } of action.slices) {
        const all = [...held[seq]!.slice(0, pos), ...Array.from(tokens)];
        const logits = action.attention ? 'last' : action.logits;
        const first = { none: all.length, last: all.length - 1, all: pos }[logits];
        for (let end = first + 1; end <= all.length; end++) out.push(op.check.expected(all.slice(0, end)));
        held[seq] = all;
      }
    }
  }
  const rows = concatenated(out, new Float64Array(lengthOf(out)));
  expectations.set(op, rows);
  return rows;
}

/** Infinity for another number of rows. */
function nmseOf(got: Float32Array, expected: Float64Array): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY;
  let errors = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    errors += (got[i]! - expected[i]!) ** 2;
    squares += expected[i]! ** 2;
  }
  return errors === 0 ? 0 : errors / squares;
}

function lengthOf(parts: readonly { readonly length: number }[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function concatenated<Numbers extends Float32Array | Float64Array>(
  parts: readonly Numbers[],
  into: Numbers,
): Numbers {
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into;
}
