import type { PartialFile } from '../partial-file.ts';
import type { RemoteReference } from '../reference.ts';

/** Time limits and retries; PATIENCE by default. */
export interface Patience {
  readonly connectMs: number; // to establish a connection
  readonly stallMs: number; // until the next bytes
  readonly attempts: number; // consecutive ones that receive less than a megabyte each
  readonly retryMs: number; // before the second attempt, doubled before each further one
}

export const PATIENCE: Patience = { connectMs: 3000, stallMs: 30_000, attempts: 4, retryMs: 500 };

/** Known properties of a file before it is fetched. */
export interface Expected {
  readonly bytes?: number;
  readonly sha256?: string; // hex
}

export type Phase = 'waiting' | 'checking' | 'connecting' | 'downloading' | 'extracting';

/** One transfer: the source fills `partial` with the whole file. */
export interface Transfer<R extends RemoteReference = RemoteReference> {
  readonly reference: R;
  readonly partial: PartialFile;
  readonly expected: Expected;
  readonly patience: Patience;
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | undefined;
  /** Bytes of the download, or of the file during extraction. */
  onProgress(phase: Phase, receivedBytes: number, totalBytes?: number): void;
}
