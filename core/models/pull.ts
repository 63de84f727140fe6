import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../errors.ts';
import type { Directories } from '../directories.ts';
import { lock } from './lock.ts';
import { PartialFile, storageError } from './partial-file.ts';
import { pullCommand, type Reference, sourcesOf } from './reference.ts';
import { SourceFailure } from './sources/failure.ts';
import { type Expected, PATIENCE, type Patience, type Phase, type Transfer } from './sources/source.ts';
import { findModel, type ModelFile, type ModelRecord, modelPath, notFound, pruneEmpty } from './store.ts';

export interface PullProgress {
  readonly phase: Phase;
  readonly source: string; // reference; for 'waiting' the one asked for
  readonly receivedBytes: number; // those of an earlier, broken transfer included
  readonly totalBytes: number | undefined; // while unknown
}

export interface PullOptions {
  readonly directories: Pick<Directories, 'models'>;
  /** Called with every chunk: thin it out before it is shown. */
  readonly onProgress?: (progress: PullProgress) => void;
  /** One sentence on what the user should know: a source passed over, another process at the same work. */
  readonly onMessage?: (text: string) => void;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv; // proxies, HF_TOKEN, pip's settings
  readonly patience?: Partial<Patience>;
}

/**
 * Brings a model to this machine, or finds it there: its sources are tried in order, the file is checked against
 * what is known of it and then appears under its name at once. Processes that pull the same model take turns, and
 * the later ones use what the first has brought. What a broken transfer has received is kept for the next.
 *
 * @throws UserError (network) when no source delivers, (model-not-found) when all say that there is no such
 *   file, and when the disk is full or may not be written; the signal's reason when it is aborted.
 */
export async function pull(reference: Reference, options: PullOptions): Promise<ModelFile> {
  const { directories, signal, onMessage, onProgress } = options;
  const found = findModel(reference, directories);
  if (found) return found;
  if (reference.kind === 'path') throw notFound(reference);
  const path = modelPath(reference, directories);
  const onWait = () => {
    onMessage?.(`Another process is pulling ${reference.text}; waiting for it.`);
    onProgress?.({ phase: 'waiting', source: reference.text, receivedBytes: 0, totalBytes: undefined });
  };
  const release = await lock(`${path}.lock`, onWait, signal);
  try {
    return findModel(reference, directories) ?? (await pullLocked(reference, path, options));
  } finally {
    release();
    pruneEmpty(dirname(path), directories.models);
  }
}

async function pullLocked(reference: Reference, path: string, options: PullOptions): Promise<ModelFile> {
  const entry = reference.kind === 'alias' ? reference.entry : undefined;
  const partial = await PartialFile.open(`${path}.partial`);
  try {
    const { source, sha256 } = await fetchFromFirst(reference, partial, entry ?? {}, options);
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
      failures.push({ source: source.text, failure });
      if (reference.kind === 'alias') onMessage?.(`Passed over ${source.text}: ${failure.message}.`);
    }
  }
  throw noSource(reference, failures);
}

/** Fetches and checks. A mismatch may stem from what an earlier process left: then it is fetched once more. */
async function fetchVerified(transfer: Transfer): Promise<string> {
  const { partial, expected } = transfer;
  for (;;) {
    const known = { ...expected, ...(await fetchFrom(transfer)) };
    const sha256 = await partial.sha256();
    const isWhole = partial.size === (known.bytes ?? partial.size);
    if (isWhole && sha256 === (known.sha256 ?? sha256)) return sha256;
    const wasInherited = partial.inherited;
    const came = isWhole ? `sha256 ${sha256}` : `${partial.size} bytes`;
    await partial.restart();
    if (wasInherited) continue;
    throw new SourceFailure(
      `expected ${isWhole ? `sha256 ${known.sha256}` : `${known.bytes} bytes`}; got ${came}`,
    );
  }
}

/** Each kind of source is loaded when it is needed. Returns what the source knows of the file. */
async function fetchFrom(transfer: Transfer): Promise<Expected> {
  const { reference } = transfer;
  switch (reference.kind) {
    case 'hf':
      return (await import('./sources/hugging-face.ts')).fetchFromHuggingFace({ ...transfer, reference });
    case 'url':
      await (await import('./sources/https.ts')).download(reference.url, transfer);
      return {};
    case 'pip':
      await (await import('./sources/pip.ts')).fetchFromPip({ ...transfer, reference });
      return {};
  }
}

function noSource(reference: Reference, failures: { source: string; failure: SourceFailure }[]): UserError {
  const reasons = failures.map(({ source, failure: { message } }) =>
    source === reference.text ? message : `${source}: ${message}`,
  );
  const isMissing = failures.every(({ failure }) => failure.missing);
  return new UserError(
    `${reference.text} could not be fetched. ${reasons.join('; ')}.`,
    isMissing
      ? 'Check the name; `percept list` shows what is here.'
      : `Check the network (HTTPS_PROXY is honoured), then run: ${pullCommand(reference.text)}`,
    { cause: failures.at(-1)?.failure, kind: isMissing ? 'model-not-found' : 'network' },
  );
}
