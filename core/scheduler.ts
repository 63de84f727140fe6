/**
 * Merges what sequences want into steps. Whoever computes on a sequence queues a slice of any length; slices that wait
 * at the same time share a step, decoding first, and prompts fill what is left of it, cut where a step ends.
 *
 * Results do not depend on that: backends give a row the same bits, or the same within rounding, in every step.
 */
import type { Executable, Result, Slice, Want } from '../backends/backend.ts';
import { joined } from '../backends/results.ts';

/** Slices so short are decoding, or a draft to be checked: they go before prompts. */
const SHORT_TOKENS = 8;

export interface ComputeOptions {
  /** Stops between two steps, with the signal's reason; what was computed until then is held. */
  readonly signal?: AbortSignal;
  /** Called after every step with the tokens of the slice computed so far. */
  readonly onProgress?: (done: number) => void;
}

/** A slice that is not computed to its end. */
interface Job {
  readonly slice: Slice;
  readonly options: ComputeOptions;
  readonly results: Result[]; // of the steps so far
  done: number; // tokens computed
  settle(): void;
  fail(error: unknown): void;
}

/** Part of a job in one step. */
interface Share {
  readonly job: Job;
  readonly slice: Slice;
}

export class Scheduler {
  readonly #executable: Executable;
  readonly #maxTokens: number;
  readonly #jobs: Job[] = []; // the oldest first
  readonly #between: (() => Promise<void>)[] = []; // to be done before the next step
  #running = false;

  /** @param maxTokens most tokens of a step */
  constructor(executable: Executable, maxTokens: number) {
    this.#executable = executable;
    this.#maxTokens = maxTokens;
  }

  /**
   * Computes a slice, in as many steps as it takes; what it wants is that of all its tokens. Of several greedy ids there
   * may come fewer where other slices wait. Rejects as Executable.submit does, and with the signal's reason.
   */
  compute(slice: Slice, options: ComputeOptions = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      const results: Result[] = [];
      const settle = () => resolve(asOne(results));
      this.#jobs.push({ slice, options, results, done: 0, settle, fail: reject });
      this.#start();
    });
  }

  /** Makes positions 0..upto-1 of sequence `to` equal those of `from`, once no step runs. */
  copy(from: number, to: number, upto: number): Promise<void> {
    return this.#betweenSteps((executable) => executable.kvCopy(from, to, upto));
  }

  /** Positions 0..upto-1 of a sequence as bytes; undefined from a backend that does not hand them out. */
  save(seq: number, upto: number): Promise<Uint8Array | undefined> {
    return this.#betweenSteps((executable) => executable.save?.(seq, upto));
  }

  /** Makes a sequence hold what was saved; returns its positions. Throws UserError for bytes that do not fit. */
  restore(seq: number, saved: Uint8Array): Promise<number> {
    return this.#betweenSteps((executable) => executable.restore?.(seq, saved) ?? 0);
  }

  #betweenSteps<T>(work: (executable: Executable) => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#between.push(async () => {
        try {
          resolve(await work(this.#executable));
        } catch (error) {
          reject(error);
        }
      });
      this.#start();
    });
  }

  /** Forgets positions of a sequence that nothing is being computed on; returns how many are left. */
  trim(seq: number, upto: number): number {
    return this.#executable.kvTrim(seq, upto);
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(() => void this.#run()); // whoever queues a slice now shares the step
  }

  async #run(): Promise<void> {
    while (this.#jobs.length > 0 || this.#between.length > 0) {
      for (const work of this.#between.splice(0)) await work();
      for (const job of this.#jobs.filter(({ options }) => options.signal?.aborted)) {
        this.#end(job);
        job.fail(job.options.signal!.reason);
      }
      if (this.#jobs.length > 0) await this.#step(this.#shares());
    }
    this.#running = false;
  }

  async #step(shares: readonly Share[]): Promise<void> {
    try {
      const results = await this.#executable.submit({ slices: shares.map(({ slice }) => slice) });
      for (const [i, { job, slice }] of shares.entries()) this.#advance(job, slice, results[i]!);
    } catch (error) {
      for (const { job } of shares) {
        this.#end(job);
        job.fail(error);
      }
    }
  }

  #advance(job: Job, { tokens }: Slice, result: Result): void {
    job.results.push(result);
    job.done += tokens.length;
    job.options.onProgress?.(job.done);
    if (job.done < job.slice.tokens.length) return;
    this.#end(job);
    job.settle();
  }

  #end(job: Job): void {
    this.#jobs.splice(this.#jobs.indexOf(job), 1);
  }

  /** What the next step is made of. */
  #shares(): Share[] {
    const [oldest] = this.#jobs;
    if (this.#jobs.length === 1 || oldest!.slice.want?.kind === 'attention')
      return [shareOf(oldest!, this.#maxTokens, true)];
    const jobs = this.#jobs.filter(({ slice }) => slice.want?.kind !== 'attention');
    const short = jobs.filter((job) => left(job) <= SHORT_TOKENS);
    const long = jobs.filter((job) => left(job) > SHORT_TOKENS);
    const shares: Share[] = [];
    let room = this.#maxTokens;
    for (const job of [...long.slice(0, 1).filter((job) => job === jobs[0]), ...short, ...long]) {
      if (room === 0 || shares.some((share) => share.job === job)) continue;
      // The oldest prompt goes on beside decoding, but leaves half of the step to it.
      const most =
        job === jobs[0] && short.length > 0 && left(job) > SHORT_TOKENS ? Math.ceil(room / 2) : room;
      const share = shareOf(job, most, jobs.length === 1);
      shares.push(share);
      room -= share.slice.tokens.length;
    }
    return shares;
  }
}

function left({ slice, done }: Job): number {
  return slice.tokens.length - done;
}

/** The next tokens of a job, at most `most` of them. Alone it may have a device feed itself. */
function shareOf(job: Job, most: number, alone: boolean): Share {
  const { seq, pos, tokens, want } = job.slice;
  if (alone && tokens.length <= most && job.done === 0) return { job, slice: job.slice };
  const count = Math.min(left(job), most);
  const part = Array.from({ length: count }, (_, i) => tokens[job.done + i]!);
  const slice = { seq, pos: pos + job.done, tokens: part };
  const wanted = job.done + count === tokens.length ? want : wantBefore(want);
  const single = wanted?.kind === 'greedy' && !alone ? { ...wanted, count: 1 } : wanted;
  return { job, slice: single ? { ...slice, want: single } : slice };
}

/** What a slice wants of tokens that more follow. */
function wantBefore(want: Want | undefined): Want | undefined {
  if (want?.kind === 'values') return want;
  return want?.kind === 'logits' && want.rows === 'all' ? want : undefined;
}

/** The results of the parts of a slice as one. */
function asOne(results: readonly Result[]): Result {
  const last = results.at(-1)!;
  if (results.length === 1) return last;
  if (last.kind === 'logits') {
    const parts = results.flatMap((result) => (result.kind === 'logits' ? [result.logits] : []));
    return { kind: 'logits', logits: joined(parts) };
  }
  if (last.kind !== 'values') return last;
  const parts = results.flatMap((result) => (result.kind === 'values' ? [result.values] : []));
  return {
    kind: 'values',
    values: last.values.map((_, tap) => joined(parts.map((part) => part[tap]!))),
  };
}
