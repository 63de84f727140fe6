/**
 * Files that go with a question, each in a fence under its name. A folder stands for its text files. Text of a file stays
 * text: special tokens in it are none.
 */
import { stat } from 'node:fs/promises';
import { UserError } from '../../errors.ts';
import { decodedText, hasZeros } from '../decode-text.ts';
import { counted, formatBytes } from '../sizes.ts';
import { fenced, languageOf } from './fence.ts';
import { readBytes } from './file-bytes.ts';
import { type FolderFile, filesIn } from './folder-files.ts';
import { type Named, type Naming, unreadable } from './named-file.ts';

export interface Attachment {
  readonly path: string; // as the user wrote it
  readonly bytes: number;
  readonly lines: number;
  /** Of a folder: its text files, and in words what else there was. */
  readonly folder?: { readonly files: number; readonly leftOut: string };
}

export interface AttachOptions {
  /** Of all files together. Default: MOST_ATTACHED. Whether they fit the context is known only once they are tokens. */
  readonly limitBytes?: number;
  readonly signal?: AbortSignal;
}

const MOST_ATTACHED = 4e6;

/** Text files of one folder. */
const MOST_FILES = 500;

/** So much of a file tells whether it is binary. */
const SNIFFED_BYTES = 8192;

/** Collects files for one question. */
export class AttachedFiles {
  readonly attachments: Attachment[] = [];
  /** A text for each file. */
  readonly texts: string[] = [];
  readonly #naming: Naming;
  readonly #limitBytes: number;
  readonly #signal: AbortSignal | undefined;
  readonly #seen = new Set<string>(); // locations: a file is attached once
  #total = 0; // bytes

  constructor(naming: Naming, { limitBytes = MOST_ATTACHED, signal }: AttachOptions) {
    this.#naming = naming;
    this.#limitBytes = limitBytes;
    this.#signal = signal;
  }

  /**
   * Adds a file, or the text files of a folder, unless they are attached already.
   *
   * @throws UserError if it cannot be read or is no text, or if all files together are too large or too many
   */
  async add({ path, location, stats }: Named): Promise<void> {
    if (this.#seen.has(location)) return;
    this.#seen.add(location);
    if (stats.isDirectory()) return this.#addFolder(path, location);
    if (!stats.isFile()) throw irregular(this.#name(path), this.#naming);
    this.#requireRoom(this.#total + stats.size, this.#name(path));
    const content = decodedText(await this.#read(path, location));
    if (content === undefined) throw binary(this.#name(path), this.#naming);
    this.attachments.push({ path, ...this.#attach(path, content) });
  }

  /** Adds a text that is no file, such as that of stdin. */
  addText(path: string, content: string): void {
    this.attachments.push({ path, ...this.#attach(path, content) });
  }

  #attach(path: string, content: string): Pick<Attachment, 'bytes' | 'lines'> {
    const bytes = Buffer.byteLength(content); // for UTF-16 more than the file has
    this.#requireRoom(this.#total + bytes, this.#name(path));
    this.#total += bytes;
    this.texts.push(`${path}:\n${fenced(content, languageOf(path))}`);
    return { bytes, lines: lineCount(content) };
  }

  async #addFolder(path: string, location: string): Promise<void> {
    const name = this.#name(path);
    const found = await filesIn(location, { name, signal: this.#signal });
    const sums = { files: 0, bytes: 0, lines: 0 };
    const left = { binary: 0, link: found.links, unreadable: found.unreadable };
    const fresh = found.files.filter((file) => !this.#seen.has(file.location));
    for (const { file, kind } of await this.#texts(fresh, name)) {
      if (kind !== 'text') left[kind]++;
      else {
        const inside = inFolder(path, file.path);
        const content = decodedText(await this.#read(inside, file.location));
        if (content === undefined) left.binary++;
        else {
          this.#seen.add(file.location);
          const { bytes, lines } = this.#attach(inside, content);
          sums.files++;
          sums.bytes += bytes;
          sums.lines += lines;
        }
      }
    }
    const { files, bytes, lines } = sums;
    const leftOut = leftOutWords(left);
    if (files === 0 && fresh.length < found.files.length) return; // all its text is attached already
    if (files === 0) throw nothingIn(name, leftOut);
    this.attachments.push({ path, bytes, lines, folder: { files, leftOut } });
  }

  /** Looks at the beginnings of files, so that errors know how many texts there are before any is read. */
  async #texts(files: readonly FolderFile[], name: string) {
    const looked: { file: FolderFile; kind: 'text' | 'binary' | 'unreadable' }[] = [];
    let [count, bytes] = [0, this.#total];
    for (const file of files) {
      this.#signal?.throwIfAborted();
      const { kind, size } = await lookAt(file.location);
      looked.push({ file, kind });
      if (kind === 'text') [count, bytes] = [count + 1, bytes + size];
    }
    if (count > MOST_FILES) throw tooMany(name, count);
    this.#requireRoom(bytes, `${count} files of ${name}`);
    return looked;
  }

  async #read(path: string, location: string): Promise<Uint8Array> {
    try {
      const bytes = await readBytes(location, this.#limitBytes - this.#total + 1);
      this.#requireRoom(this.#total + bytes.length, this.#name(path)); // it may have grown
      return bytes;
    } catch (cause) {
      throw cause instanceof UserError ? cause : unreadable(path, this.#naming, cause);
    }
  }

  #requireRoom(bytes: number, name: string): void {
    if (bytes <= this.#limitBytes) return;
    throw new UserError(
      `The attached files are too large: ${formatBytes(bytes)} with ${name}, the limit is ${formatBytes(this.#limitBytes)}.`,
      'Attach fewer files, or copy the part that matters into the message.',
    );
  }

  #name(path: string): string {
    return `${this.#naming.mark}${path}`;
  }
}

/** `src: 12 files, 340 lines; 3 binary files left out`, or `a.ts, 1 line`. */
export function attachmentWords({ path, lines, folder }: Attachment): string {
  const length = counted(lines, 'line');
  if (!folder) return `${path}, ${length}`;
  const leftOut = folder.leftOut && `; left out: ${folder.leftOut}`;
  return `${path}: ${counted(folder.files, 'file')}, ${length}${leftOut}`;
}

/** The path of a file in a folder that the user named; `./` in front of it says nothing. */
function inFolder(folder: string, path: string): string {
  const base = folder.replace(/(?<=.)\/+$/, '');
  if (base === '.') return path;
  return base.endsWith('/') ? `${base}${path}` : `${base}/${path}`;
}

async function lookAt(location: string): Promise<{ kind: 'text' | 'binary' | 'unreadable'; size: number }> {
  try {
    const { size } = await stat(location);
    const isBinary = hasZeros(await readBytes(location, SNIFFED_BYTES));
    return { kind: isBinary ? 'binary' : 'text', size };
  } catch {
    return { kind: 'unreadable', size: 0 };
  }
}

function lineCount(content: string): number {
  return content.split('\n').length - (content === '' || content.endsWith('\n') ? 1 : 0);
}

function leftOutWords({
  binary,
  link,
  unreadable,
}: Record<'binary' | 'link' | 'unreadable', number>): string {
  const parts = [
    binary > 0 ? counted(binary, 'binary file') : '',
    link > 0 ? counted(link, 'link') : '',
    unreadable > 0 ? `${unreadable} unreadable` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function irregular(name: string, { instead }: Naming): UserError {
  return new UserError(`${name} is neither a regular file nor a folder.`, `Name a file, or ${instead}.`);
}

function binary(name: string, { instead }: Naming): UserError {
  return new UserError(
    `${name} is not UTF-8 text: it is binary or has another encoding.`,
    `Convert it to UTF-8, or ${instead}.`,
  );
}

function tooMany(name: string, count: number): UserError {
  return new UserError(
    `The folder ${name} has ${count} text files; at most ${MOST_FILES} are attached.`,
    'Name a folder in it, or list in its .gitignore what does not matter.',
  );
}

function nothingIn(name: string, leftOut: string): UserError {
  return new UserError(
    `The folder ${name} has no text file to attach${leftOut && ` (left out: ${leftOut})`}.`,
    'Hidden files and what its .gitignore names are left out; name such a file itself.',
  );
}
