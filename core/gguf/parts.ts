/** Models split over several files, as llama.cpp's gguf-split names them: NAME-00001-of-00003.gguf and so on. */
import { UserError } from '../../errors.ts';
import { optionalNumber } from './metadata.ts';
import type { Gguf, GgufTensor } from './types.ts';

const PART = /-(\d{5})-of-(\d{5})(\.gguf)$/i;

/**
 * The names of all parts, in order, of the split model that `name` is a part of; for any other name, itself. A name may
 * be a path.
 */
export function partNames(name: string): string[] {
  const [, number, of, end] = PART.exec(name) ?? [];
  const count = Number(of);
  if (!(Number(number) >= 1 && Number(number) <= count)) return [name];
  return Array.from({ length: count }, (_, i) => name.replace(PART, `-${digits(i + 1)}-of-${of}${end}`));
}

/** The number of files of the model; 1 if it is not split, or 0 if `gguf-split --merge` joined its parts. */
export function partCount({ metadata }: Gguf): number {
  return optionalNumber(metadata, 'split.count') ?? 1;
}

/** Paths of the other parts of a split model. Throws UserError unless `first` is the first and is named so. */
export function otherParts(first: Gguf): string[] {
  const count = partCount(first);
  const names = partNames(first.path);
  const isFirst = (optionalNumber(first.metadata, 'split.no') ?? 0) === 0;
  if (!isFirst || names[0] !== first.path || names.length !== count) {
    throw new UserError(
      `${first.path} is one of ${count} parts of a model, but not the first by its name.`,
      `Give the path of the first part, NAME-00001-of-${digits(count)}.gguf, with the others beside it.`,
    );
  }
  return names.slice(1);
}

/** The model of all parts: the metadata of the first, and the tensors of all. Throws UserError for parts of another. */
export function joinParts(first: Gguf, others: readonly Gguf[]): Gguf {
  const tensors = new Map<string, GgufTensor>(first.tensors);
  for (const [i, { path, metadata, tensors: more }] of others.entries()) {
    if (optionalNumber(metadata, 'split.no') !== i + 1) throw notOfIt(path, `part ${i + 2}`);
    for (const [name, tensor] of more) {
      if (tensors.has(name)) throw notOfIt(path, `a tensor ${JSON.stringify(name.slice(0, 80))} once`);
      tensors.set(name, { ...tensor, part: path });
    }
  }
  const count = optionalNumber(first.metadata, 'split.tensors.count') ?? tensors.size;
  if (count !== tensors.size) throw notOfIt(first.path, `${count} tensors in all parts, not ${tensors.size}`);
  const fileBytes = others.reduce((sum, part) => sum + part.fileBytes, first.fileBytes);
  return { ...first, fileBytes, tensors };
}

/** Rethrows the error of a part; if that is missing, with what to do. */
export function missingPart(error: unknown): never {
  if (!(error instanceof UserError) || error.kind !== 'model-not-found') throw error;
  const hint =
    'percept pull REF fetches all parts of a model; of files of your own, put all into one folder.';
  throw new UserError(`A part of the model is missing. ${error.message}`, hint, {
    cause: error,
    kind: error.kind,
  });
}

function digits(number: number): string {
  return String(number).padStart(5, '0');
}

function notOfIt(path: string, expected: string): UserError {
  return new UserError(
    `The parts of the model do not belong together: expected ${expected} (${path}).`,
    'Get all parts of the model again, from one place.',
  );
}
