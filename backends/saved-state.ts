/**
 * The state of a sequence as bytes that outlive the executable: a header with the layout, then the states as their
 * backend lays them out. Only an executable with the same layout restores them; any other one computes the tokens
 * again.
 */
import { UserError } from '../errors.ts';
import type { Program } from './backend.ts';

const MAGIC = Buffer.from('PSTATE1\n');
const LENGTH_BYTES = 4;
/** Most bytes of a header, beyond those of any program: the length in the file is not trusted. */
const MOST_HEADER = 1 << 20;

/**
 * Describes the bytes of a program's states.
 * @param kind name of the backend, with everything else that its layout depends on
 */
export function stateLayout(kind: string, { states, limits }: Pick<Program, 'states' | 'limits'>): string {
  return JSON.stringify({ kind, kvType: limits.kvType ?? 'f32', states });
}

/** What a saved state has of its sequence. */
export interface SavedPositions {
  readonly positions: number; // of the sequence
  readonly lowest?: number; // from which rings have them (rings.ts); default 0
}

export function packState(layout: string, held: SavedPositions, parts: readonly Uint8Array[]): Uint8Array {
  const header = Buffer.from(JSON.stringify({ layout, ...held, bytes: lengthOf(parts) }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(header.length);
  return new Uint8Array(Buffer.concat([MAGIC, length, header, ...parts]));
}

/** Throws UserError for bytes that are not a saved state, have another layout, or are cut off. */
export function unpackState(
  layout: string,
  saved: Uint8Array,
): Required<SavedPositions> & { bytes: Uint8Array } {
  const all = Buffer.from(saved.buffer, saved.byteOffset, saved.byteLength);
  const start = MAGIC.length + LENGTH_BYTES;
  if (all.length < start || !all.subarray(0, MAGIC.length).equals(MAGIC))
    throw unreadable('it is not a state');
  const length = all.readUInt32LE(MAGIC.length);
  if (length > MOST_HEADER || start + length > all.length) throw unreadable('it is incomplete');
  const header = parsed(all.subarray(start, start + length).toString());
  if (header?.layout !== layout) throw unreadable('it is of another model, backend or type of cache');
  const bytes = saved.subarray(start + length);
  const { positions, lowest = 0 } = header;
  if (bytes.length !== header.bytes || !isCount(positions)) throw unreadable('it is incomplete');
  if (!isCount(lowest) || lowest > positions) throw unreadable('it is incomplete');
  return { positions, lowest, bytes };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parsed(
  text: string,
): Partial<Record<'layout' | 'positions' | 'lowest' | 'bytes', unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

export function unreadable(reason: string): UserError {
  return new UserError(`The saved sequence cannot be restored: ${reason}.`, 'Compute it again.');
}

/** Reads the parts of a state one after the other. */
export class StateReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The next `count` bytes. Throws UserError if fewer are left. */
  next(count: number): Uint8Array {
    const part = this.#bytes.subarray(this.#at, this.#at + count);
    if (part.length < count) throw unreadable('it is incomplete');
    this.#at += count;
    return part;
  }
}
