/**
 * A measurement as a stream of events, in order and as plain data. The display of a running bench is derived from it.
 * `target` and `test` are indexes into the lists of targets and tests.
 */
import type { KvType, MemoryUse, Roofs } from '../backends/backend.ts';
import type { LoadProgress } from '../core/load-progress.ts';
import type { KernelRow } from './rows.ts';
import type { Work } from './work.ts';

/** Called between runs and, for marks, inside them: the clock of a run stops meanwhile. */
export type Observer = (event: BenchEvent) => void;

export type BenchEvent = TargetEvent | TestEvent | KernelEvent;

type TargetEvent = { readonly target: number } & (
  | { readonly kind: 'loading'; readonly progress?: LoadProgress }
  | { readonly kind: 'loaded'; readonly ms: number; readonly model: LoadedModel; readonly memory: Memory }
);

export type TestEvent = { readonly target: number; readonly test: number } & (
  | { readonly kind: 'warm-up' }
  /** A counted run begins. `own`: percept's run, not a peer's. */
  | { readonly kind: 'run'; readonly runner: string; readonly own: boolean }
  /** Progress of percept's run since the last event of this kind. */
  | { readonly kind: 'marks'; readonly marks: readonly Mark[] }
  | { readonly kind: 'ran'; readonly runner: string; readonly own: boolean; readonly tok_s: number }
  | { readonly kind: 'roofs'; readonly roofs: Roofs; readonly memory: Memory }
  /** All runs of the test are over. */
  | { readonly kind: 'tested' }
);

type KernelEvent =
  | { readonly kind: 'kernel'; readonly name: string }
  | { readonly kind: 'kernel-row'; readonly row: KernelRow; readonly roofs?: Roofs; readonly memory: Memory };

/** Seconds since a run began, and the tokens it has read or written by then, all sequences together. */
export type Mark = readonly [seconds: number, tokens: number];

/** Facts about a target that are known once its model is loaded. */
export interface LoadedModel {
  readonly model: string; // name of its file, without the type
  readonly type: string; // Q4_K_M
  readonly backend: string;
  readonly threads: number;
  readonly kvType: KvType;
  readonly work: readonly Work[]; // per token, of each test
  readonly steps: readonly number[]; // of a run, of each test
}

export interface Memory extends MemoryUse {
  readonly process: number; // resident bytes
}

/** Memory of an executable and of the process around it. */
export function memoryOf({ memory }: { readonly memory: MemoryUse }): Memory {
  return { ...memory, process: process.memoryUsage.rss() };
}
