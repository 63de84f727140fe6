import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, type FileHandle, open, rename, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../errors.ts';
import { SourceFailure } from './sources/failure.ts';

/** The source of a partial file's content. */
interface Origin {
  readonly source: string; // reference
  readonly validator?: string; // for If-Range: a strong ETag or a Last-Modified date
}

/**
 * A file in transfer. It is appended to in order, hashed as it grows, kept if the transfer breaks off, and renamed once
 * complete. Its origin is stored beside it, in PATH.json, so that a later process can continue it.
 */
export class PartialFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #size: number;
  #origin: Origin | undefined;
  #inherited: boolean;
  #hash = createHash('sha256');
  #hashed = 0; // bytes from the start that #hash covers

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.#handle = handle;
    this.#size = size;
    this.#inherited = size > 0;
    this.#origin = readOrigin(`${path}.json`);
  }

  /** Opens the partial file at `path`, with its content, or creates it. */
  static async open(path: string): Promise<PartialFile> {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT);
    return new PartialFile(path, handle, (await handle.stat()).size);
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#size;
  }

  /** Whether its beginning is from an earlier process, which may have died while writing. */
  get inherited(): boolean {
    return this.#inherited;
  }

  /** The validator with which a transfer from `source` may continue at the end of the file. */
  validatorFor(source: string): string | undefined {
    return this.#size > 0 && this.#origin?.source === source ? this.#origin.validator : undefined;
  }

  /** Empties the file; the next bytes come from `origin`. */
  async restart(origin?: Origin): Promise<void> {
    await this.#handle.truncate(0);
    this.#size = this.#hashed = 0;
    this.#hash = createHash('sha256');
    this.#inherited = false;
    this.#origin = origin;
    if (origin) writeFileSync(`${this.path}.json`, JSON.stringify(origin));
    else rmSync(`${this.path}.json`, { force: true });
  }

  /** @throws SourceFailure if the first bytes are not those of a GGUF file, UserError if the disk is full. */
  async append(chunk: Uint8Array): Promise<void> {
    if (this.#size === 0 && chunk.length >= 4) checkMagic(chunk);
    await this.#hashWhatIsThere();
    try {
      for (let done = 0; done < chunk.length; ) {
        done += (await this.#handle.write(chunk, done, chunk.length - done, this.#size + done)).bytesWritten;
      }
    } catch (error) {
      throw storageError(error, this.path);
    }
    this.#hash.update(chunk);
    this.#size += chunk.length;
    this.#hashed = this.#size;
  }

  /** Hex digest of the whole content. */
  async sha256(): Promise<string> {
    await this.#hashWhatIsThere();
    return this.#hash.copy().digest('hex');
  }

  /** Renames it to `target`, atomically, after a sync to disk. */
  async complete(target: string): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await rename(this.path, target);
    rmSync(`${this.path}.json`, { force: true });
  }

  /** Closes the file; its content is kept for the next attempt. */
  async close(): Promise<void> {
    await this.#handle.close();
    if (this.#size === 0) for (const path of [this.path, `${this.path}.json`]) rmSync(path, { force: true });
  }

  async #hashWhatIsThere(): Promise<void> {
    if (this.#hashed === this.#size) return;
    const stream = this.#handle.createReadStream({
      start: this.#hashed,
      end: this.#size - 1,
      autoClose: false,
    });
    for await (const chunk of stream) this.#hash.update(chunk);
    this.#hashed = this.#size;
  }
}

/** @throws UserError with both numbers if the disk of `path` has less than `bytes` free. */
export async function ensureSpace(path: string, bytes: number): Promise<void> {
  const { blocks, bavail, bsize } = await statfs(dirname(path));
  if (blocks === 0 || bavail * bsize >= bytes) return; // some network file systems do not report it
  throw new UserError(
    `Not enough space in ${dirname(path)}: ${megabytes(bytes)} are needed, ${megabytes(bavail * bsize)} are free.`,
    'Free some space, or set PERCEPT_HOME to a folder on a larger disk.',
  );
}

/** A UserError for errors of the disk; returns other errors unchanged. */
export function storageError(error: unknown, path: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!/^(ENOSPC|EDQUOT|EACCES|EPERM|EROFS|EIO|EFBIG|ENOTDIR)$/.test(code ?? '')) return error;
  const hint = 'Free some space there, or set PERCEPT_HOME to a writable folder.';
  return new UserError(`Cannot write ${path}: ${message}.`, hint, { cause: error });
}

/** In decimal megabytes, rounded up. */
function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;
}

function checkMagic(chunk: Uint8Array): void {
  const magic = String.fromCharCode(...chunk.subarray(0, 4));
  if (magic !== 'GGUF')
    throw new SourceFailure(`expected a GGUF file, got a file that starts with ${JSON.stringify(magic)}`);
}

function readOrigin(path: string): Origin | undefined {
  try {
    const { source, validator } = JSON.parse(readFileSync(path, 'utf8'));
    return { source, validator };
  } catch {
    return undefined; // missing, or cut off while it was written
  }
}
