import { createHash } from 'node:crypto';
import { HeaderError, openModel, readPart } from '../gguf/index.ts';
import { SourceFailure } from './sources/failure.ts';
import type { ModelFile } from './store.ts';

/**
 * The reason why a file is no whole model, by its header: it is too short for what that lists, or it breaks the format.
 * A model of a kind that percept does not know may be whole.
 *
 * @throws UserError if the file cannot be opened.
 */
export async function damageOf(path: string): Promise<SourceFailure | undefined> {
  try {
    await readPart(path);
  } catch (error) {
    if (!(error instanceof HeaderError)) throw error;
    if (error.fault !== 'unsupported') return SourceFailure.of(error);
  }
  return undefined;
}

interface CheckOptions {
  readonly onProgress?: (doneBytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * The reason why a model on this machine is damaged. If it has a record, its content must be that of the transfer,
 * else damageOf decides.
 *
 * @throws UserError if the file cannot be opened; the signal's reason if it is aborted.
 */
export async function damageOfModel(
  { path, sha256 }: ModelFile,
  { onProgress, signal }: CheckOptions,
): Promise<string | undefined> {
  if (sha256 === undefined) return (await damageOf(path))?.message;
  const hash = createHash('sha256');
  const file = await openModel(path);
  let done = 0;
  for await (const chunk of file.createReadStream({ highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted();
    hash.update(chunk);
    done += chunk.length;
    onProgress?.(done);
  }
  const got = hash.digest('hex');
  return got === sha256 ? undefined : `expected sha256 ${sha256}, got ${got}`;
}
