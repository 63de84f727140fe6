/** What every backend does with the weights of a program before it computes: check that they are supported, read their bytes. */
import { open } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { rowBytes } from '../kernels/quant-formats.ts';
import type { Backend, Program, WeightDesc, WeightId, WeightSource } from './backend.ts';
import { stateOf, weightsOf } from './ops.ts';

/** Throws UserError for the first op of the program that the backend does not compute, with its weight's name. */
export function checkSupport(
  { ops, states }: Pick<Program, 'ops' | 'states'>,
  desc: (id: WeightId) => WeightDesc,
  backend: Pick<Backend, 'supports'>,
): void {
  for (const op of ops) {
    const weights = weightsOf(op).map(desc);
    const state = 'state' in op ? stateOf(op, states) : undefined;
    const answer = backend.supports(
      op,
      weights.map(({ type }) => type),
      state,
    );
    if (answer === true) continue;
    throw new UserError(
      `${weights[0]?.name ?? op.op}: ${answer}.`,
      'Choose another backend (--backend cpu), or a file with tensors of a supported type.',
    );
  }
}

/**
 * How many token ids there are: the rows of the table that tokens are looked up in, of several the smallest. Throws
 * RangeError for a program without one, and for a context beyond a table of positions.
 */
export function vocabularyOf(
  { ops, limits }: Pick<Program, 'ops' | 'limits'>,
  desc: (id: WeightId) => WeightDesc,
): number {
  const embeds = ops.filter((op) => op.op === 'embed');
  const rowsBy = (key: 'token' | 'position') =>
    Math.min(...embeds.flatMap(({ table, by = 'token' }) => (by === key ? [desc(table).rows] : [])));
  const [vocabulary, positions] = [rowsBy('token'), rowsBy('position')];
  if (!Number.isFinite(vocabulary)) throw new RangeError('Expected a program that embeds tokens, got none.');
  if (positions < limits.contextLength) {
    throw new RangeError(
      `Expected a context of at most ${positions} positions, got ${limits.contextLength}.`,
    );
  }
  return vocabulary;
}

/** Bytes of a weight as its source holds it. */
export function weightBytes({ type, rows, cols }: WeightDesc): number {
  return rows * rowBytes(type, cols);
}

/** All bytes of a weight. Rejects with a UserError where the file ends before the weight does. */
export async function readWeight(desc: WeightDesc, source: WeightSource): Promise<Uint8Array> {
  if ('bytes' in source) return source.bytes;
  const { path, offset } = source;
  const length = weightBytes(desc);
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, offset);
  if (bytesRead === length) return buffer;
  throw cutOff(desc.name, { path, offset, expected: length, got: bytesRead });
}

interface Missing {
  readonly path: string;
  readonly offset: number; // bytes
  readonly expected: number; // bytes
  readonly got: number;
}

/** The error of a file that ends inside a weight. */
export function cutOff(name: string, { path, offset, expected, got }: Missing): UserError {
  return new UserError(
    `Expected ${expected} bytes of ${name} at byte ${offset} of ${path}, got ${got}: the file ended inside ${name}.`,
    'The file is cut off or changed while it was read: get the model again.',
  );
}
