import type { SpeedTest } from './speed-test.ts';

/** Runs a model: percept's engine or a peer. */
export interface Runner {
  readonly name: string;
  canRun(test: SpeedTest): boolean;
  /** One run: tokens a second of all sequences together. Rejects when `signal` aborts. */
  run(test: SpeedTest, signal?: AbortSignal): Promise<number>;
  dispose(): Promise<void>;
}

/** Parameters of a peer. */
export interface RunnerTarget {
  readonly path: string; // of the GGUF file
  readonly threads: number;
  readonly contextLength: number; // positions that the longest test needs
  readonly vocabulary: number; // tokens
}

/** Token ids for `count` positions from `pos` on, spread over the vocabulary. The id depends on the position alone. */
export function tokenIds(pos: number, count: number, vocabulary: number): number[] {
  return Array.from({ length: count }, (_, i) => 1 + (((pos + i) * 7919) % (vocabulary - 1)));
}
