import type { PartialFile } from '../partial-file.ts';
import type { RemoteReference } from '../reference.ts';

/** Bounds of patience; those of `PATIENCE` unless a caller knows better. */
export interface Patience {
  readonly connectMs: number; // for a connection to be made
  readonly stallMs: number; // for the next bytes
  readonly attempts: number; // in a row that bring less than a megabyte each
  readonly retryMs: number; // before the second attempt, doubled before each further one
}

export const PATIENCE: Patience = { connectMs: 3000, stallMs: 30_000, attempts: 4, retryMs: 500 };

/** What is known about a file before it is fetched. */
export interface Expected {
  readonly bytes?: number;
  readonly sha256?: string; // hex
}

export type Phase = 'waiting' | 'connecting' | 'downloading' | 'extracting';

/** What a source works with: it fills `partial` with the whole file. */
export interface Transfer<R extends RemoteReference = RemoteReference> {
  readonly reference: R;
  readonly partial: PartialFile;
  readonly expected: Expected;
  readonly patience: Patience;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | undefined;
  /** Bytes of the download, or of the file while it is extracted. */
  onProgress(phase: Phase, receivedBytes: number, totalBytes?: number): void;
}
