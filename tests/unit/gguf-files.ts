/** GGUF files that tests write, and the errors of reading them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Gguf, readGguf } from '../../core/gguf/index.ts';
import { UserError } from '../../errors.ts';
import { emptyFolder } from '../cli/percept.ts';
import { type GgufSpec, writeGguf } from './gguf-writer.ts';

export function saved(bytes: Uint8Array): string {
  const path = join(emptyFolder(), 'test.gguf');
  writeFileSync(path, bytes);
  return path;
}

export const read = (spec: GgufSpec): Promise<Gguf> => readGguf(saved(writeGguf(spec)));

export async function errorOf(path: string): Promise<UserError> {
  const error = await readGguf(path).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
}
