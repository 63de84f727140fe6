/**
 * What happens while speeds are measured, as plain data, for who shows or keeps it. The clock of a run stands still while
 * an observer is told, so what it does then is not measured.
 */
import type { KvType, MemoryUse, Roofs } from '../backends/backend.ts';
import type { LoadProgress } from '../core/load-progress.ts';
import type { KernelRow, SpeedRow, SpeedTarget } from './rows.ts';
import type { SpeedTest } from './speed-test.ts';
import type { Work } from './work.ts';

export type Observer = (event: BenchEvent) => void;

export type BenchEvent =
  | { readonly kind: 'loading'; readonly target: SpeedTarget; readonly progress?: LoadProgress }
  | { readonly kind: 'loaded'; readonly ms: number; readonly model: LoadedModel; readonly memory: Memory }
  | { readonly kind: 'warm-up'; readonly test: SpeedTest }
  /** A counted run begins, of percept or a peer. */
  | { readonly kind: 'run'; readonly test: SpeedTest; readonly runner: string; readonly own: boolean }
  /** How far the run of percept is since the last time it was told. */
  | { readonly kind: 'tokens'; readonly marks: readonly Mark[] }
  | { readonly kind: 'ran'; readonly runner: string; readonly own: boolean; readonly tok_s: number }
  | { readonly kind: 'roofs'; readonly roofs: Roofs; readonly memory: Memory }
  | { readonly kind: 'rows'; readonly rows: readonly SpeedRow[] }
  | { readonly kind: 'kernel'; readonly name: string }
  | { readonly kind: 'kernel-row'; readonly row: KernelRow; readonly roofs?: Roofs; readonly memory: Memory };

/** Tokens that a run has read or written after so many seconds of it, all sequences together. */
export type Mark = readonly [seconds: number, tokens: number];

/** What is known of a target once its model is there. */
export interface LoadedModel {
  readonly model: string;
  readonly type: string; // Q4_K_M
  readonly backend: string;
  readonly threads: number;
  readonly kvType: KvType;
  readonly work: readonly Work[]; // a token of each test
}

export interface Memory extends MemoryUse {
  readonly process: number; // bytes that are resident
}

/** What an executable holds, and the process with it. */
export function memoryOf({ memory }: { readonly memory: MemoryUse }): Memory {
  return { ...memory, process: process.memoryUsage.rss() };
}
