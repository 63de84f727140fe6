/** What every backend does with the weights of a program before it computes: check their types, read their bytes. */
import { open } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { rowBytes } from '../kernels/quant-formats.ts';
import type { Backend, Op, Program, WeightDesc, WeightId, WeightSource } from './backend.ts';

/** Throws UserError naming the first weight that an op of the program cannot take, as the backend says. */
export function checkTypes(
  { ops }: Program,
  desc: (id: WeightId) => WeightDesc,
  backend: Pick<Backend, 'supports'>,
): void {
  for (const op of ops) {
    for (const [id, as] of weightsOf(op)) {
      const { name, type } = desc(id);
      const answer = backend.supports(as, type);
      if (answer !== true)
        throw new UserError(`${name}: ${answer}.`, 'Use a file with tensors of a supported type.');
    }
  }
}

/** The weights of an op, and the op that each is supported as: a bias counts as a vector. */
function weightsOf(op: Op): [WeightId, Op['op']][] {
  if (op.op === 'embed') return [[op.table, 'embed']];
  if (op.op === 'rms-norm') return [[op.weight, 'rms-norm']];
  if (op.op !== 'matmul') return [];
  return op.bias === undefined
    ? [[op.weight, 'matmul']]
    : [
        [op.weight, 'matmul'],
        [op.bias, 'add'],
      ];
}

/** Rows of the smallest embedding table: a token id must be in each of them. */
export function vocabularyOf({ ops }: Program, desc: (id: WeightId) => WeightDesc): number {
  return Math.min(...ops.flatMap((op) => (op.op === 'embed' ? [desc(op.table).rows] : [])));
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
