import type { Model } from '../core/index.ts';
import { type Runner, tokenIds } from './runner.ts';
import { type SpeedTest, type TimedStep, timedSteps } from './speed-test.ts';

/**
 * percept's own engine as a runner. Sampling is left out: token ids are fixed, so that nothing but the model is
 * timed, and a position always holds the same id, so that what one run has cached serves the next.
 */
export class Engine implements Runner {
  readonly name = 'percept';
  readonly #model: Model;
  #held = 0; // positions of sequence 0 that are computed

  constructor(model: Model) {
    this.#model = model;
  }

  takes(): boolean {
    return true;
  }

  async run(test: SpeedTest, signal?: AbortSignal): Promise<number> {
    await this.#fill(test, signal);
    const start = performance.now();
    await this.#compute(test, signal);
    const seconds = (performance.now() - start) / 1e3;
    this.#held = test.depth + test.tokens;
    return (test.tokens * test.batch) / seconds;
  }

  async dispose(): Promise<void> {
    await this.#model.dispose();
  }

  /** Puts `depth` tokens into the cache of every sequence: computed in one, copied to the others. */
  async #fill({ depth, batch }: SpeedTest, signal?: AbortSignal): Promise<void> {
    const missing = { kind: 'pp', tokens: depth - this.#held, depth: this.#held, batch: 1 } as const;
    if (missing.tokens > 0) await this.#compute(missing, signal);
    const { executable } = this.#model;
    executable.kvTrim(0, depth);
    for (let seq = 1; seq < batch; seq++) executable.kvCopy(0, seq, depth);
    this.#held = depth;
  }

  async #compute(test: SpeedTest, signal?: AbortSignal): Promise<void> {
    for (const step of timedSteps(test, this.#model.maxTokens)) {
      signal?.throwIfAborted();
      await this.#submit(step, test.batch);
    }
  }

  async #submit({ pos, count, logits }: TimedStep, batch: number): Promise<void> {
    const { executable, config } = this.#model;
    const tokens = tokenIds(pos, count, config.vocabularySize);
    const slices = Array.from({ length: batch }, (_, seq) => ({ seq, pos, tokens }));
    await executable.submit({ slices, logits: logits ? 'last' : 'none' }).logits();
  }
}
