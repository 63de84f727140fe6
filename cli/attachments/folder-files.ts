/** The files of a folder that may be attached: none that is hidden, ignored, installed or behind a link. */
import type { Dirent } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { formatBytes } from '../sizes.ts';
import { readBytes } from './file-bytes.ts';
import { type IgnoreRule, ignoreRules, isIgnored, MOST_IGNORE_BYTES } from './ignore-rules.ts';

export interface FolderFile {
  readonly path: string; // from the folder on, with /
  readonly location: string;
}

export interface FolderFiles {
  readonly files: readonly FolderFile[]; // sorted by path
  readonly links: number; // symbolic links, which are not followed
  readonly unreadable: number; // folders that the user may not read
}

/** Files and folders that are looked at; more of them are no folder to ask about. */
const MOST_ENTRIES = 20_000;

/** Folders of what others wrote or a program made. */
const INSTALLED = new Set(['node_modules', 'bower_components', '__pycache__', 'venv', 'site-packages']);

interface FolderOptions {
  readonly name: string; // for errors
  readonly signal?: AbortSignal;
}

/** @throws UserError for a folder with more entries than are looked at, or with a .gitignore that is too long */
export async function filesIn(location: string, options: FolderOptions): Promise<FolderFiles> {
  const walk = new Walk(options);
  await walk.enter(location, '', []);
  walk.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return walk;
}

class Walk implements FolderFiles {
  readonly files: FolderFile[] = [];
  links = 0;
  unreadable = 0;
  #entries = 0;
  readonly #options: FolderOptions;

  constructor(options: FolderOptions) {
    this.#options = options;
  }

  /** @param base path of the folder, with / at its end; '' is the attached one */
  async enter(location: string, base: string, outer: readonly IgnoreRule[]): Promise<void> {
    const entries = await this.#entriesOf(location);
    const hasRules = entries.some((entry) => entry.name === '.gitignore' && entry.isFile());
    const rules = hasRules ? [...outer, ...(await this.#rulesOf(location, base))] : outer;
    for (const entry of entries) {
      const path = base + entry.name;
      const isFolder = entry.isDirectory();
      if (entry.name.startsWith('.') || (isFolder && INSTALLED.has(entry.name))) continue;
      if (isIgnored(path, isFolder, rules)) continue;
      if (isFolder) await this.enter(join(location, entry.name), `${path}/`, rules);
      else if (entry.isFile()) this.files.push({ path, location: join(location, entry.name) });
      else if (entry.isSymbolicLink()) this.links++;
    }
  }

  async #entriesOf(location: string): Promise<Dirent[]> {
    const { name, signal } = this.#options;
    const entries: Dirent[] = [];
    try {
      for await (const entry of await opendir(location, { bufferSize: 256 })) {
        signal?.throwIfAborted();
        if (++this.#entries > MOST_ENTRIES) throw tooMany(name);
        entries.push(entry);
      }
    } catch (error) {
      if (error instanceof UserError || signal?.aborted) throw error;
      this.unreadable++;
    }
    return entries;
  }

  async #rulesOf(location: string, base: string): Promise<IgnoreRule[]> {
    let bytes: Uint8Array;
    try {
      bytes = await readBytes(join(location, '.gitignore'), MOST_IGNORE_BYTES + 1);
    } catch {
      return []; // nobody may read it
    }
    if (bytes.length > MOST_IGNORE_BYTES) throw tooLong(`${base}.gitignore`, this.#options.name);
    return ignoreRules(new TextDecoder().decode(bytes), base);
  }
}

function tooMany(name: string): UserError {
  return new UserError(
    `The folder ${name} has more than ${MOST_ENTRIES} files and folders.`,
    'Name a folder in it, or list in its .gitignore what does not matter.',
  );
}

function tooLong(path: string, folder: string): UserError {
  return new UserError(
    `${path} of the folder ${folder} is too long: it has more than ${formatBytes(MOST_IGNORE_BYTES)}.`,
    'Shorten it, or name the files that matter one by one.',
  );
}
