/**
 * The models directory. Its layout is meant for users to read:
 *
 *   smollm2/SmolLM2-135M-Instruct.Q4_1.gguf        one folder for each alias
 *   hf/owner/repo/revision/file.gguf               other models by their reference
 *   hf/owner/repo/revision/                        a checkpoint, with a config.json
 *   ollama/library/name/tag.gguf
 *   pip/package-version/folder/file.gguf
 *   https/host/3f2a9c01/file.gguf                  the hex is a hash of the whole address
 *
 * FILE.json beside a model is its record. FILE.partial, FILE.partial.json, FILE.partial.json.new, FILE.pip-XXXXXX/ and
 * FILE.lock belong to a running or broken transfer. A file under its own name is complete: transfers end in a rename.
 * A split model is a file for each part, with a record each; it is a model once all parts are here.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync, rmdirSync, rmSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { UserError } from '../../errors.ts';
import type { Directories } from '../directories.ts';
import { partNames } from '../gguf/parts.ts';
import { type HubReference, isFolder, pullCommand, type Reference } from './reference.ts';

/**
 * A model on this machine. All but path and size comes from its record, if it was pulled. Of a split model they are those
 * of the first part, but `bytes` is the size of all.
 */
export interface ModelFile extends Partial<ModelRecord> {
  readonly path: string;
  readonly bytes: number;
}

export interface ModelRecord {
  readonly reference: string; // as the user wrote it
  readonly source: string; // the reference that delivered it
  readonly sha256: string; // hex
  readonly licence?: string; // SPDX
  readonly pulledAt: string; // ISO 8601
}

/** A remainder of a broken transfer, or the parts of a split model of which others are missing. */
export interface Leftover {
  readonly path: string;
  readonly bytes: number;
}

type Place = Pick<Directories, 'models'>;

const LEFTOVER = /^(.+\.gguf|.+)\.(?:partial|pip-\w+)$/i;

/** The path of a model, or of one part, present or not; it depends on the reference alone. */
export function modelPath(reference: Reference, { models }: Place): string {
  switch (reference.kind) {
    case 'path':
      return reference.path;
    case 'alias':
      return join(models, reference.entry.alias, reference.entry.fileName);
    case 'hf':
      return join(models, 'hf', reference.repository, reference.revision, reference.file);
    case 'hub':
      return join(models, 'hf', reference.repository, reference.revision);
    case 'ollama':
      return join(models, 'ollama', reference.name, `${reference.tag}.gguf`);
    case 'pip': {
      const [first] = reference.parts;
      const whole =
        reference.parts.length === 1 ? first!.member : first!.member.replace(/[.-]part-?\d+$/i, '');
      return join(models, 'pip', `${first!.package}-${first!.version}`, whole.replace(/\/$/, ''));
    }
    case 'url': {
      const { href, hostname, pathname } = reference.url;
      const name = basename(pathname).replace(/(\.gguf)?$/i, '.gguf');
      const first = href.replace(/-\d{5}-of-(?=\d{5}\.gguf)/i, '-00001-of-'); // parts of a model share a folder
      const hash = createHash('sha256').update(first).digest('hex').slice(0, 8);
      return join(models, 'https', portable(hostname), hash, portable(name));
    }
  }
}

/**
 * The paths of all parts of the split model that a reference or a leftover belongs to, in order, present or not; one path
 * for a model that is not split.
 */
export function modelPaths(reference: Reference, place: Place): string[] {
  const path = modelPath(reference, place);
  return partNames(LEFTOVER.exec(path)?.[1] ?? path);
}

/** The model, if it is on this machine with all its parts. For a path: that file alone, never a copy. */
export function findModel(reference: Reference, place: Place): ModelFile | undefined {
  if (reference.kind === 'path') return fileAt(reference.path) ?? folderAt(reference.path);
  if (reference.kind === 'hub') return pulledFrom(reference, place);
  if (isFolder(reference)) return folderAt(modelPath(reference, place));
  const parts = modelPaths(reference, place).map(fileAt);
  return parts.every((part) => part !== undefined) ? joined(parts) : undefined;
}

/**
 * The model that was pulled of a repository: by this very reference, else the one whose name has the tag, else the only one.
 */
function pulledFrom(reference: HubReference, place: Place): ModelFile | undefined {
  const folder = modelPath(reference, place);
  const { models } = listModels({ models: folder });
  const files = models.filter(({ path }) => path !== folder);
  const { tag } = reference;
  return (
    folderAt(folder) ??
    files.find((file) => file.reference === reference.text) ??
    (tag === undefined
      ? files.length === 1
        ? files[0]
        : undefined
      : files.find(({ path }) => hasTag(relative(folder, path), tag)))
  );
}

/** Whether a file's name has the tag of a quantization (llama.cpp, common/download.cpp). */
export function hasTag(name: string, tag: string): boolean {
  const escaped = tag.replaceAll('.', '\\.');
  return new RegExp(`(?:^|[^a-z0-9])${escaped}[.-]`, 'i').test(name);
}

/** The model of all its parts. */
export function joined(parts: readonly ModelFile[]): ModelFile {
  return { ...parts[0]!, bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** A model, or one part of it, with its record. */
export function fileAt(path: string): ModelFile | undefined {
  const stat = statOf(path);
  if (!stat?.isFile()) return undefined;
  return { ...readRecord(path), path, bytes: stat.size };
}

/** A checkpoint in Hugging Face's layout: a folder with a config.json. */
export function folderAt(path: string): ModelFile | undefined {
  if (!statOf(join(path, 'config.json'))?.isFile()) return undefined;
  const weights = readdirSync(path).filter((name) => name.endsWith('.safetensors'));
  return {
    ...readRecord(path),
    path,
    bytes: weights.reduce((sum, name) => sum + sizeOf(join(path, name)), 0),
  };
}

/** All models of the models directory, by path, and the leftovers of broken transfers. */
export function listModels(place: Place): { models: ModelFile[]; leftovers: Leftover[] } {
  const leftovers: Leftover[] = [];
  const files = new Map<string, ModelFile>(); // by path
  for (const path of walk(place.models)) {
    if (LEFTOVER.test(path)) leftovers.push({ path, bytes: sizeOf(path) });
    else if (path.endsWith(`${sep}config.json`)) {
      const folder = folderAt(dirname(path));
      if (folder && folder.bytes > 0) files.set(folder.path, folder); // others are parts of a checkpoint
    } else if (/\.gguf$/i.test(path)) files.set(path, { ...readRecord(path), path, bytes: sizeOf(path) });
  }
  const models: ModelFile[] = [];
  for (const path of files.keys()) {
    const names = partNames(path);
    const parts = names.flatMap((name) => files.get(name) ?? []);
    if (parts[0]?.path !== path) continue; // it is counted with the first
    const model = joined(parts);
    if (parts.length === names.length) models.push(model);
    else leftovers.push({ path, bytes: model.bytes });
  }
  return { models, leftovers };
}

/**
 * Deletes a model of the models directory with all its parts, their records and leftovers, also by the path of one part
 * or leftover.
 *
 * @returns bytes freed.
 * @throws UserError (usage) for a file outside the models directory, (model-not-found) if there is no such model, and
 *   if another process is pulling this model.
 */
export async function removeModel(reference: Reference, place: Place): Promise<number> {
  const asked = modelPath(reference, place);
  if (reference.kind === 'path' && !isInside(asked, place.models)) {
    throw new UserError(
      `${asked} is a file of your own, not a model that percept pulled.`,
      'Delete it yourself; `percept list` shows the models that percept pulled.',
      { kind: 'usage' },
    );
  }
  if (isFolder(reference) || statOf(asked)?.isDirectory()) return removeFolder(asked, reference, place);
  if (reference.kind === 'hub') {
    const found = pulledFrom(reference, place);
    if (!found) throw notFound(reference);
    return removeModel({ kind: 'path', text: reference.text, path: found.path }, place);
  }
  const paths = modelPaths(reference, place);
  const folder = dirname(paths[0]!);
  const names = paths.every((path) => /\.gguf$/i.test(path)) ? namesOf(paths) : [];
  if (names.length === 0) throw notFound(reference);
  const release = await lockAll(paths, reference);
  try {
    const files = names.map((name) => join(folder, name));
    const bytes = files.reduce((sum, file) => sum + sizeOf(file), 0);
    for (const file of files) rmSync(file, { recursive: true, force: true });
    return bytes;
  } finally {
    release();
    pruneEmpty(folder, place.models);
  }
}

/** Deletes a checkpoint's folder, its record and what a broken transfer left. */
async function removeFolder(path: string, reference: Reference, place: Place): Promise<number> {
  const names = ['', '.json', '.partial'].map((suffix) => path + suffix).filter((name) => statOf(name));
  const isModel = names.includes(`${path}.partial`) || (folderAt(path)?.bytes ?? 0) > 0;
  if (!isModel && reference.kind === 'hub') {
    const found = pulledFrom(reference, place);
    if (found && found.path !== path)
      return removeModel({ kind: 'path', text: reference.text, path: found.path }, place);
  }
  if (!isModel) throw notFound(reference);
  const release = await lockAll([path], reference);
  try {
    const bytes = names.reduce((sum, name) => sum + sizeOf(name), 0);
    for (const name of names) rmSync(name, { recursive: true, force: true });
    return bytes;
  } finally {
    release();
    pruneEmpty(dirname(path), place.models);
  }
}

/** Locks all parts of a model; returns their release. Throws UserError if another process has one of the locks. */
async function lockAll(paths: readonly string[], { text }: Reference): Promise<() => void> {
  const { tryLock } = await import('./lock.ts');
  const releases: (() => void)[] = [];
  const release = () => {
    for (const each of releases) each();
  };
  try {
    for (const path of paths) {
      const own = tryLock(`${path}.lock`);
      if (!own) throw isPulled(text);
      releases.push(own);
    }
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

function isPulled(text: string): UserError {
  return new UserError(
    `${text} is being pulled by another process.`,
    'Wait for that process, or end it first.',
  );
}

/** The error for a model that is missing and may not be fetched; its hint is the command to run. */
export function notFound(reference: Reference): UserError {
  const kind = 'model-not-found';
  if (reference.kind !== 'path') {
    const message = `${reference.text} is not on this machine.`;
    return new UserError(message, `To fetch it, run: ${pullCommand(reference.text)}`, { kind });
  }
  const { path } = reference;
  const isFolder = statOf(path)?.isDirectory();
  const message = isFolder
    ? `${path} is a folder, not a GGUF file.`
    : `There is no readable file at ${path}.`;
  return new UserError(message, 'Check the path; `percept list` shows the models on this machine.', { kind });
}

const SUFFIXES = ['', '.json', '.partial', '.partial.json', '.partial.json.new'];

/** Names of the files and leftovers of a model whose parts are at `paths`, in one folder; without the locks. */
function namesOf(paths: readonly string[]): string[] {
  const parts = new Set(paths.map((path) => basename(path)));
  const own = new Set([...parts].flatMap((part) => SUFFIXES.map((suffix) => part + suffix)));
  return entriesOf(dirname(paths[0]!))
    .map(({ name }) => name)
    .filter((name) => own.has(name) || parts.has(LEFTOVER.exec(name)?.[1] ?? ''));
}

function readRecord(path: string): ModelRecord | undefined {
  try {
    return JSON.parse(readFileSync(`${path}.json`, 'utf8'));
  } catch {
    return undefined; // no record, because a user copied the file here, or a damaged one: it is still a model
  }
}

/** Paths below a folder, sorted. Folders that are leftovers are listed, not entered. */
function* walk(folder: string): Generator<string> {
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !LEFTOVER.test(path)) yield* walk(path);
    else yield path;
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Bytes of a file, or of all files below a folder. */
function sizeOf(path: string): number {
  const stat = statOf(path);
  if (!stat?.isDirectory()) return stat?.size ?? 0;
  return entriesOf(path).reduce((sum, { name }) => sum + sizeOf(join(path, name)), 0);
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined; // missing or not accessible
  }
}

function isInside(path: string, folder: string): boolean {
  try {
    const inner = relative(realpathSync(folder), join(realpathSync(dirname(path)), basename(path)));
    return inner !== '' && !inner.startsWith('..') && !isAbsolute(inner);
  } catch {
    return false; // one of the two does not exist
  }
}

/** Removes `folder` and its parents below `root`, as long as they are empty. */
export function pruneEmpty(folder: string, root: string): void {
  while (folder !== root && isInside(folder, root) && entriesOf(folder).length === 0) {
    rmdirSync(folder);
    folder = dirname(folder);
  }
}

function portable(part: string): string {
  return part.replace(/[^\w.%+-]/g, '_');
}
