import type { Model } from '../core/index.ts';
import type { Mark } from './events.ts';
import { type Runner, tokenIds } from './runner.ts';
import { type SpeedTest, type TimedStep, timedSteps } from './speed-test.ts';

/** Least time between two calls of `onMarks` in a run, so that they do not disturb it. */
const PAUSE_MS = 250;

type OnMarks = (marks: readonly Mark[]) => void;

/**
 * percept's own engine as a runner. It does not sample: token ids are fixed, so only the model is timed. A position
 * always holds the same id, so the positions that one run has cached serve the next.
 */
export class ModelRunner implements Runner {
  readonly name = 'percept';
  readonly #model: Model;
  readonly #logits: Float32Array[] = []; // of each sequence, reused for each step
  #onMarks: OnMarks | undefined;

  constructor(model: Model) {
    this.#model = model;
  }

  /** Later runs call `onMarks` with their progress. The time of these calls is not measured. */
  set onMarks(onMarks: OnMarks | undefined) {
    this.#onMarks = onMarks;
  }

  canRun(): boolean {
    return true;
  }

  async run(test: SpeedTest, signal?: AbortSignal): Promise<number> {
    await this.#fill(test, signal);
    const clock = new RunClock(test, this.#onMarks);
    await this.#compute(test, signal, clock);
    const seconds = clock.seconds();
    return (test.tokens * test.batch) / seconds;
  }

  async dispose(): Promise<void> {
    await this.#model.dispose();
  }

  /**
   * Puts `depth` tokens into the cache of every sequence. Computes in the first sequence those that it lacks, then copies
   * all of them to the others.
   */
  async #fill({ depth, batch }: SpeedTest, signal?: AbortSignal): Promise<void> {
    const { scheduler } = this.#model;
    const held = scheduler.trim(0, depth);
    const missing = { kind: 'pp', tokens: depth - held, depth: held, batch: 1 } as const;
    if (missing.tokens > 0) await this.#compute(missing, signal);
    for (let seq = 1; seq < batch; seq++) await scheduler.copy(0, seq, depth);
  }

  async #compute(test: SpeedTest, signal?: AbortSignal, clock?: RunClock): Promise<void> {
    for (const step of timedSteps(test, this.#model.maxTokens)) {
      signal?.throwIfAborted();
      await this.#submit(step, test.batch);
      clock?.mark(step);
    }
  }

  async #submit({ pos, count, logits }: TimedStep, batch: number): Promise<void> {
    const { scheduler, config } = this.#model;
    const tokens = tokenIds(pos, count, config.vocabularySize);
    const wants = Array.from({ length: batch }, (_, seq) => {
      return logits ? ({ kind: 'logits', into: this.#logits[seq] } as const) : undefined;
    });
    const results = await Promise.all(
      wants.map((want, seq) => scheduler.compute({ seq, pos, tokens, want })),
    );
    for (const [seq, result] of results.entries()) {
      if (result.kind === 'logits') this.#logits[seq] = result.logits;
    }
  }
}

/** The clock of a run, without the time of calls of `onMarks`. */
class RunClock {
  readonly #test: SpeedTest;
  readonly #onMarks: OnMarks | undefined;
  #start = performance.now(); // ms; moved forward by the time that `onMarks` took
  #calledAt = this.#start;
  #marks: Mark[] = [];

  constructor(test: SpeedTest, onMarks: OnMarks | undefined) {
    this.#test = test;
    this.#onMarks = onMarks;
  }

  seconds(now = performance.now()): number {
    return (now - this.#start) / 1e3;
  }

  /** Must be called after each step. */
  mark({ pos, count }: TimedStep): void {
    if (!this.#onMarks) return;
    const now = performance.now();
    const done = pos + count - this.#test.depth; // tokens of each sequence
    this.#marks.push([this.seconds(now), done * this.#test.batch]);
    if (now - this.#calledAt < PAUSE_MS && done < this.#test.tokens) return;
    this.#onMarks(this.#marks);
    this.#marks = [];
    this.#calledAt = performance.now();
    this.#start += this.#calledAt - now;
  }
}
