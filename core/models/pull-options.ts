/** What a pull is told, and what it tells. */
import type { Directories } from '../directories.ts';
import type { Patience, Phase } from './sources/source.ts';

export interface PullProgress {
  readonly phase: Phase;
  readonly source: string; // reference; in phase 'waiting' the requested one
  readonly receivedBytes: number; // including those of an earlier, broken transfer
  readonly totalBytes: number | undefined; // undefined while unknown
}

export interface PullOptions {
  readonly directories: Pick<Directories, 'models'>;
  /** Called with every chunk; callers throttle it before they show it. */
  readonly onProgress?: (progress: PullProgress) => void;
  /** One sentence for the user: a source was skipped, or another process does the same work. */
  readonly onMessage?: (text: string) => void;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv; // proxies, HF_TOKEN, pip's settings
  readonly patience?: Partial<Patience>;
  readonly freeBytes?: number; // of memory, to choose a file by; default: what is free
}
