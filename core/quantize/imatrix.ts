/** Reads importances of columns from an imatrix file of llama.cpp: sums of squares of what tensors read, and their counts. */
import { closeSync, openSync, readSync } from 'node:fs';
import { UserError } from '../../errors.ts';
import { readGguf } from '../gguf/index.ts';
import type { Gguf, GgufTensor } from '../gguf/types.ts';

/** By tensor; of experts those of all, one after the other. Throws UserError for a file of another kind. */
export async function readImportance(path: string): Promise<Map<string, Float32Array>> {
  const gguf = await readGguf(path);
  const found = new Map<string, Float32Array>();
  for (const [name, sums] of gguf.tensors) {
    if (!name.endsWith('.in_sum2')) continue;
    const base = name.slice(0, -'.in_sum2'.length);
    const counts = gguf.tensors.get(`${base}.counts`);
    if (!counts) throw damaged(path, `${base}.counts`);
    found.set(base, meansOf(numbersOf(gguf, sums), numbersOf(gguf, counts)));
  }
  if (found.size === 0) throw damaged(path, 'tensors that end in .in_sum2');
  return found;
}

/** Columns of an expert that no token used count as equally important. */
function meansOf(sums: Float32Array, counts: Float32Array): Float32Array {
  const cols = sums.length / counts.length;
  return sums.map((sum, i) => {
    const count = counts[Math.floor(i / cols)]!;
    return count > 0 ? sum / count : 1;
  });
}

function numbersOf({ path }: Gguf, { name, type, offset, bytes }: GgufTensor): Float32Array {
  if (type !== 'F32') throw damaged(path, `${name} in F32`);
  const values = new Float32Array(bytes / 4);
  const file = openSync(path, 'r');
  try {
    readSync(file, values, 0, bytes, offset);
  } finally {
    closeSync(file);
  }
  return values;
}

function damaged(path: string, expected: string): UserError {
  return new UserError(
    `Expected ${expected} in ${path}.`,
    'Give an imatrix in GGUF, as llama-imatrix writes it.',
    { kind: 'usage' },
  );
}
