/**
 * Merges the slices of all sequences into steps. Callers queue slices of any length. Slices that wait at the same time
 * share a step: decoding goes first, and prompts fill the rest, cut at the end of the step.
 *
 * Results do not depend on the grouping: backends give a row the same bits, or the same within rounding, in every step.
 */
import type { Executable, Result, Slice, Want } from '../backends/backend.ts';
import { joined } from '../backends/results.ts';
import { UserError } from '../errors.ts';

/** Slices of at most this length are decoding or a draft to check; they go before prompts. */
const SHORT_TOKENS = 8;

export interface ComputeOptions {
  /** Stops between two steps with the signal's reason. Tokens computed until then stay in the cache. */
  readonly signal?: AbortSignal;
  /** Called after every step with the tokens of the slice computed so far. */
  readonly onProgress?: (done: number) => void;
}

/** A slice that is not fully computed yet. */
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
  readonly #jobs: Job[] = []; // oldest first
  readonly #between: (() => Promise<void>)[] = []; // work to do before the next step
  #running = false;
  #ran: Promise<void> = Promise.resolve(); // settles when nothing runs
  #closed = false;

  /** @param maxTokens most tokens of a step */
  constructor(executable: Executable, maxTokens: number) {
    this.#executable = executable;
    this.#maxTokens = maxTokens;
  }

  /**
   * Computes a slice in as many steps as needed; the result covers all its tokens. A slice that wants several greedy ids
   * may get fewer if other slices wait. Rejects as Executable.submit does, and with the signal's reason.
   */
  compute(slice: Slice, options: ComputeOptions = {}): Promise<Result> {
    return new Promise((resolve, reject) => {
      const results: Result[] = [];
      const settle = () => resolve(asOne(results));
      this.#jobs.push({ slice, options, results, done: 0, settle, fail: reject });
      this.#start();
    });
  }

  /** Makes positions 0..upto-1 of sequence `to` equal those of `from`, between two steps. */
  copy(from: number, to: number, upto: number): Promise<void> {
    return this.#betweenSteps((executable) => executable.kvCopy(from, to, upto));
  }

  /** Positions 0..upto-1 of a sequence as bytes; undefined if the backend cannot save them. */
  save(seq: number, upto: number): Promise<Uint8Array | undefined> {
    return this.#betweenSteps((executable) => executable.save?.(seq, upto));
  }

  /** Restores a saved sequence; returns the number of its positions. Throws UserError for bytes that do not fit. */
  restore(seq: number, saved: Uint8Array): Promise<number> {
    return this.#betweenSteps((executable) => executable.restore?.(seq, saved) ?? 0);
  }

  /** Runs one step of these slices alone, which none cuts: texts of an encoder. Rejects as Executable.submit does. */
  together(slices: readonly Slice[]): Promise<readonly Result[]> {
    return this.#betweenSteps((executable) => executable.submit({ slices }));
  }

  #betweenSteps<T>(work: (executable: Executable) => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#between.push(async () => {
        try {
          if (this.#closed) throw disposedOf();
          resolve(await work(this.#executable));
        } catch (error) {
          reject(error);
        }
      });
      this.#start();
    });
  }

  /** Forgets the positions from `upto` on of an idle sequence; returns how many are left. */
  trim(seq: number, upto: number): number {
    return this.#closed ? 0 : this.#executable.kvTrim(seq, upto);
  }

  /** How many positions of an idle sequence `trim` would leave. */
  keeps(seq: number, upto: number): number {
    return this.#closed ? 0 : this.#executable.keeps(seq, upto);
  }

  /** Ends after the running step. Work that waits, and all later work, rejects with UserError. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#ran;
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#ran = Promise.resolve().then(() => this.#run()); // slices queued until then share the step
  }

  async #run(): Promise<void> {
    while (this.#jobs.length > 0 || this.#between.length > 0) {
      for (const work of this.#between.splice(0)) await work();
      for (const job of [...this.#jobs]) {
        const { signal } = job.options;
        if (!signal?.aborted && !this.#closed) continue;
        this.#end(job);
        job.fail(signal?.aborted ? signal.reason : disposedOf());
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

  /** The parts of jobs that form the next step. */
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
      // The oldest prompt always advances, but leaves half of the step to decoding.
      const most =
        job === jobs[0] && short.length > 0 && left(job) > SHORT_TOKENS ? Math.ceil(room / 2) : room;
      const share = shareOf(job, most, jobs.length === 1);
      shares.push(share);
      room -= share.slice.tokens.length;
    }
    return shares;
  }
}

function disposedOf(): UserError {
  return new UserError('The model has been disposed of.', 'Load it again.', { kind: 'usage' });
}

function left({ slice, done }: Job): number {
  return slice.tokens.length - done;
}

/** The next tokens of a job, at most `most`. Only a job that has the step alone may want several greedy ids. */
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

/** The want of a part that is not the last of its slice. */
function wantBefore(want: Want | undefined): Want | undefined {
  if (want?.kind === 'values') return want;
  return want?.kind === 'logits' && want.rows === 'all' ? want : undefined;
}

/** Joins the results of the parts of a slice. */
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
