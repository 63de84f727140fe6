import type { SpeedTest } from './speed-test.ts';

/** Something that runs a model: percept's engine or a peer. */
export interface Runner {
  readonly name: string;
  /** Whether it can run such a test. */
  canRun(test: SpeedTest): boolean;
  /** Tokens a second, of all sequences together, in one run. Rejects when `signal` aborts. */
  run(test: SpeedTest, signal?: AbortSignal): Promise<number>;
  dispose(): Promise<void>;
}

/** What a runner is started for. */
export interface RunnerTarget {
  readonly path: string; // of the GGUF file
  readonly threads: number;
  readonly contextLength: number; // positions that the longest test needs
  readonly vocabulary: number; // tokens
}

/** Token ids spread over a vocabulary, from position `pos` on: always the same one at a position. */
export function tokenIds(pos: number, count: number, vocabulary: number): number[] {
  return Array.from({ length: count }, (_, i) => 1 + (((pos + i) * 7919) % (vocabulary - 1)));
}
