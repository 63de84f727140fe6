import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { constants, type FileHandle, open, rename, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../errors.ts';
import { lookalike } from '../gguf/identify.ts';
import { SourceFailure } from './sources/failure.ts';

/** The source of a partial file's content. */
interface Origin {
  readonly source: string; // reference
  readonly validator?: string; // for If-Range: a strong ETag or a Last-Modified date
}

/** What is stored beside a partial file: the origin of its first `bytes`, and their hash. */
interface PartialRecord extends Origin {
  readonly bytes: number;
  readonly sha256: string; // hex
}

/** The record is replaced after so many bytes. A process that is killed loses at most these and one chunk. */
const RECORD_BYTES = 1 << 24;

/**
 * A file in transfer. It is appended to in order, hashed as it grows, kept if the transfer breaks off, and renamed once
 * complete. Its record is stored beside it, in PATH.json, so that a later process can continue it: from the bytes whose
 * hash is recorded. A loss of power may leave others. PATH.json.new is a record that is being written.
 */
export class PartialFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #anyKind: boolean; // else only GGUF files
  #size = 0;
  #recorded = 0; // bytes
  #origin: Origin | undefined;
  #inherited = false;
  #hash = createHash('sha256');

  private constructor(path: string, handle: FileHandle, anyKind: boolean) {
    this.path = path;
    this.#handle = handle;
    this.#anyKind = anyKind;
  }

  /** Opens the partial file at `path`, of a GGUF file unless of `anyKind`, with the content that its record describes, or creates it. */
  static async open(path: string, { anyKind = false } = {}): Promise<PartialFile> {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW);
    try {
      const partial = new PartialFile(path, handle, anyKind);
      const record = readRecord(`${path}.json`);
      if (!record || !(await partial.#inherit(record))) await partial.restart();
      return partial;
    } catch (error) {
      await handle.close();
      throw error;
    }
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

  /** The last bytes, at most `count`. */
  async end(count: number): Promise<Buffer> {
    const bytes = Buffer.alloc(Math.max(0, Math.min(count, this.#size)));
    await this.#handle.read(bytes, 0, bytes.length, this.#size - bytes.length);
    return bytes;
  }

  /** Empties the file; the next bytes come from `origin`. Throws UserError if the disk is full. */
  async restart(origin?: Origin): Promise<void> {
    await this.#handle.truncate(0);
    this.#size = this.#recorded = 0;
    this.#hash = createHash('sha256');
    this.#inherited = false;
    this.#origin = origin;
    this.#removeRecord();
  }

  /** @throws SourceFailure if the first bytes are not those of a GGUF file, UserError if the disk is full. */
  async append(chunk: Uint8Array): Promise<void> {
    if (!this.#anyKind && this.#size === 0 && chunk.length >= 4) checkMagic(chunk);
    try {
      for (let done = 0; done < chunk.length; ) {
        done += (await this.#handle.write(chunk, done, chunk.length - done, this.#size + done)).bytesWritten;
      }
      this.#hash.update(chunk);
      this.#size += chunk.length;
      if (this.#size - this.#recorded >= RECORD_BYTES) this.#record();
    } catch (error) {
      throw storageError(error, this.path);
    }
  }

  /** Hex digest of the whole content. */
  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Renames it to `target`, atomically, after a sync to disk. */
  async complete(target: string): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    this.#recorded = this.#size; // nothing is left to record
    await rename(this.path, target);
    this.#removeRecord();
  }

  /** Closes the file; its content is kept for the next attempt. */
  async close(): Promise<void> {
    try {
      if (this.#size > this.#recorded) this.#record();
    } catch {
      // The disk is full: the next attempt continues from the last record.
    }
    await this.#handle.close();
    if (this.#size > 0) return;
    rmSync(this.path, { force: true });
    this.#removeRecord();
  }

  /** Continues from the recorded bytes, if the file has them. */
  async #inherit({ bytes, sha256, ...origin }: PartialRecord): Promise<boolean> {
    if ((await this.#handle.stat()).size < bytes) return false;
    await this.#handle.truncate(bytes);
    if (bytes > 0) {
      const stream = this.#handle.createReadStream({ start: 0, end: bytes - 1, autoClose: false });
      for await (const chunk of stream) this.#hash.update(chunk);
    }
    if (this.sha256() !== sha256) return false;
    this.#size = this.#recorded = bytes;
    this.#inherited = bytes > 0;
    this.#origin = origin;
    return true;
  }

  #record(): void {
    this.#recorded = this.#size;
    if (!this.#origin) return;
    const record: PartialRecord = { ...this.#origin, bytes: this.#size, sha256: this.sha256() };
    // The old record stays until the new one is whole. The lock of the model admits one writer.
    writeFileSync(`${this.path}.json.new`, JSON.stringify(record));
    renameSync(`${this.path}.json.new`, `${this.path}.json`);
  }

  #removeRecord(): void {
    for (const suffix of ['.json', '.json.new']) rmSync(this.path + suffix, { force: true });
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
  const isInTheWay = /^(EISDIR|ELOOP|EEXIST|ENOTEMPTY)$/.test(code ?? ''); // a folder or a link
  if (!isInTheWay && !/^(ENOSPC|EDQUOT|EACCES|EPERM|EROFS|EIO|EFBIG|ENOTDIR)$/.test(code ?? '')) return error;
  const hint = isInTheWay
    ? 'Remove what is there.'
    : 'Free some space there, or set PERCEPT_HOME to a writable folder.';
  return new UserError(`Cannot write ${path}: ${message}.`, hint, { cause: error });
}

/** In decimal megabytes, rounded up. */
function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;
}

/** A server may send fewer than 4 bytes first; the whole file is checked too. */
function checkMagic(chunk: Uint8Array): void {
  const other = lookalike(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
  if (other) throw new SourceFailure(`expected a GGUF file, got ${other.got}`, { hint: other.hint });
}

function readRecord(path: string): PartialRecord | undefined {
  try {
    const { source, validator, bytes, sha256 } = JSON.parse(readFileSync(path, 'utf8'));
    const isWhole = Number.isSafeInteger(bytes) && bytes >= 0 && typeof source === 'string';
    return isWhole
      ? { source, validator: isHeader(validator) ? validator : undefined, bytes, sha256 }
      : undefined;
  } catch {
    return undefined; // missing, or not a record
  }
}

/** Whether it can be sent as the value of a header. */
function isHeader(text: unknown): text is string {
  return typeof text === 'string' && /^[\x20-\x7e]+$/.test(text);
}
