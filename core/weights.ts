/**
 * From tensor names to the backend's weights. An architecture lists the tensors it computes with; the file
 * must hold these, in these shapes, and nothing that would be left out of the computation.
 */
import type { Backend, Op, WeightId } from '../backends/backend.ts';
import { UserError } from '../errors.ts';
import type { Gguf, GgufTensor } from './gguf.ts';

/** A tensor of a model: a matrix [rows, cols], or a vector of `cols` where rows is 1. */
export interface TensorSpec {
  readonly name: string; // GGUF tensor name
  readonly rows: number;
  readonly cols: number;
  readonly op: Op['op']; // what computes with it
  readonly optional?: boolean;
}

/** Ids by tensor name; an optional tensor that the file lacks has none. */
export type WeightIds = ReadonlyMap<string, WeightId>;

/** Tensors that configFromGguf reads. */
const PART_OF_CONFIG = new Set(['rope_freqs.weight']);

/**
 * The specs whose tensors the file holds. Throws UserError for a tensor that is absent, of another shape or
 * not among the specs, and for a file without any.
 */
export function checkTensors({ path, tensors }: Gguf, specs: Iterable<TensorSpec>): TensorSpec[] {
  if (tensors.size === 0) throw noWeights(path);
  const present: TensorSpec[] = [];
  const names = new Set(PART_OF_CONFIG);
  for (const spec of specs) {
    const tensor = tensors.get(spec.name);
    if (!tensor && !spec.optional) throw mismatch(spec, 'no such tensor');
    if (tensor && !hasShape(tensor, spec)) throw mismatch(spec, `[${tensor.shape.join(', ')}]`);
    if (tensor) present.push(spec);
    names.add(spec.name);
  }
  const unknown = tensors.keys().find((name) => !names.has(name));
  if (unknown) throw unexpected(unknown);
  return present;
}

/**
 * Hands the tensors of `specs`, as checked, to a backend, which reads them from the file. Throws UserError
 * naming the first tensor whose type the backend does not compute.
 */
export function handOver(backend: Backend, gguf: Gguf, specs: readonly TensorSpec[]): WeightIds {
  for (const { name, op } of specs) {
    const answer = backend.supports(op, gguf.tensors.get(name)!.type);
    if (answer !== true)
      throw new UserError(`${name}: ${answer}.`, 'Use a file with tensors of a supported type.');
  }
  const ids = new Map<string, WeightId>();
  for (const { name, rows, cols } of specs) {
    if (ids.has(name)) continue; // a tied head is the embedding table again
    const { type, offset } = gguf.tensors.get(name)!;
    ids.set(name, backend.weight({ name, type, rows, cols }, { path: gguf.path, offset }));
  }
  return ids;
}

/** Bytes in the file of the tensors of `specs`, as checked; one that occurs again counts once. */
export function bytesOf({ tensors }: Gguf, specs: readonly TensorSpec[]): number {
  const names = new Set(specs.map(({ name }) => name));
  return names.values().reduce((sum, name) => sum + tensors.get(name)!.bytes, 0);
}

/** Dimensions of 1 at the end of a shape say nothing. */
function hasShape({ shape }: GgufTensor, { rows, cols }: TensorSpec): boolean {
  const [found = 1, ...rest] = shape;
  return found === cols && (rest[0] ?? 1) === rows && rest.slice(1).every((size) => size === 1);
}

function mismatch({ name, rows, cols }: TensorSpec, found: string): UserError {
  const expected = rows === 1 ? `[${cols}]` : `[${cols}, ${rows}]`;
  return new UserError(
    `Expected the tensor ${name} with shape ${expected}, found ${found}.`,
    'The file was converted wrongly or is incomplete: get the model again, or convert it anew.',
  );
}

function unexpected(name: string): UserError {
  return new UserError(
    `The tensor ${name} belongs to no model of this architecture that is supported yet.`,
    'Use another model, or a later version of percept.',
  );
}

function noWeights(path: string): UserError {
  return new UserError(
    `Expected a model with weights, found only a vocabulary in ${path}.`,
    'Use the model’s full file; this one serves for tokenizing only.',
  );
}
