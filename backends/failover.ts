/**
 * An executable that outlives its device: when a step fails because the device was lost, another backend takes over.
 *
 * What a cache holds cannot be read from a device that is gone, so the tokens of each sequence are kept here; the
 * replacement computes them again, then the step that failed. What the device would have chosen is chosen here from the
 * logits, where the replacement only hands those over.
 */
import { UserError } from '../errors.ts';
import type { Executable, MemoryUse, Step, Ticket, TopLogits } from './backend.ts';
import { greedyIds, topLogits } from './choices.ts';

export interface FailoverParts {
  readonly first: Executable;
  readonly sequences: number;
  readonly maxTokens: number; // most tokens in one step
  /** The same program on another backend; called once, when the first one's device has failed. */
  readonly replace: (failure: UserError) => Promise<Executable>;
}

/** What a ticket gives, as far as its step asked for it. */
interface Result {
  readonly logits?: Float32Array;
  readonly top?: TopLogits;
  readonly ids?: Int32Array;
  readonly attention?: Float32Array;
}

export class FailoverExecutable implements Executable {
  /** Those of the first executable: what it chose is chosen after it, too. */
  readonly chooses: Executable['chooses'];
  readonly attends: Executable['attends'];
  #current: Executable;
  readonly #maxTokens: number;
  readonly #replace: FailoverParts['replace'];
  readonly #held: number[][]; // tokens of each sequence
  #replaced = false;
  #running = false;
  #disposed = false;

  constructor({ first, sequences, maxTokens, replace }: FailoverParts) {
    this.#current = first;
    this.#maxTokens = maxTokens;
    this.#replace = replace;
    this.#held = Array.from({ length: sequences }, () => []);
    this.chooses = first.chooses;
    this.attends = first.attends;
  }

  get memory(): MemoryUse {
    return this.#current.memory;
  }

  submit(step: Step): Ticket {
    if (this.#running)
      throw new RangeError('Expected the earlier step to have settled before the next submit.');
    const result = this.#start(step);
    this.#running = true;
    const done = this.#finish(step, result).finally(() => {
      this.#running = false;
    });
    done.catch(() => {}); // whoever awaits the ticket sees it; nobody has to
    return {
      logits: async () => (await done).logits!,
      top: async () => (await done).top!,
      ids: async () => (await done).ids!,
      attention: async () => (await done).attention!,
    };
  }

  kvCopy(from: number, to: number, upto: number): void {
    this.#unlessLost(() => this.#current.kvCopy(from, to, upto));
    this.#held[to] = this.#held[from]!.slice(0, upto);
  }

  kvTrim(seq: number, upto: number): void {
    this.#unlessLost(() => this.#current.kvTrim(seq, upto));
    const held = this.#held[seq]!;
    if (upto < held.length) held.length = upto;
  }

  /** On a device that is gone there is nothing to do: the next step fails, and all is computed from the tokens. */
  #unlessLost(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (this.#replaced || !isDeviceFailure(error)) throw error;
    }
  }

  dispose(): void {
    this.#disposed = true;
    this.#current.dispose();
  }

  /** What becomes of the step. What only a caller can get wrong is thrown; a device lost before it is waited for. */
  #start(step: Step): Promise<Result> {
    try {
      return this.#replaced ? this.#onReplacement(step) : resultOf(this.#current.submit(step), step);
    } catch (error) {
      if (!isDeviceFailure(error)) throw error;
      return Promise.reject(error);
    }
  }

  async #finish(step: Step, started: Promise<Result>): Promise<Result> {
    const result = await started.catch((error) => {
      if (this.#replaced || this.#disposed || !isDeviceFailure(error)) throw error;
      return this.#recover(step, error);
    });
    for (const [i, { seq, pos, tokens }] of step.slices.entries()) {
      const fed = step.choose?.kind === 'greedy' ? fedBack(result.ids!, i, step.choose.count) : [];
      const held = this.#held[seq]!;
      held.length = pos;
      held.push(...Array.from(tokens), ...fed);
    }
    return result;
  }

  async #recover(step: Step, failure: UserError): Promise<Result> {
    const lost = this.#current;
    const replacement = await this.#replace(failure);
    this.#current = replacement;
    this.#replaced = true;
    lost.dispose();
    await this.#replay(step);
    return this.#onReplacement(step);
  }

  /** Computes what the sequences hold; of those in the step that follows, what stands before its slices. */
  async #replay({ slices }: Step): Promise<void> {
    const maxTokens = this.#maxTokens;
    for (const [seq, held] of this.#held.entries()) {
      const end = slices.find((slice) => slice.seq === seq)?.pos ?? held.length;
      for (let pos = 0; pos < end; pos += maxTokens) {
        const tokens = held.slice(pos, Math.min(pos + maxTokens, end));
        await this.#current.submit({ slices: [{ seq, pos, tokens }], logits: 'none' }).logits();
      }
    }
  }

  #onReplacement(step: Step): Promise<Result> {
    const { choose } = step;
    const executable = this.#current;
    if (!choose || choose.count <= (executable.chooses?.[choose.kind] ?? 0))
      return resultOf(executable.submit(step), step);
    const plain = { slices: step.slices, logits: step.logits };
    if (choose.kind === 'greedy')
      return greedyIds(executable, step.slices, choose.count).then((ids) => ({ ids }));
    return topLogits(executable, plain, choose.count).then((top) => ({ top }));
  }
}

async function resultOf(ticket: Ticket, { choose, attention }: Step): Promise<Result> {
  if (choose?.kind === 'top') return { top: await ticket.top!() };
  if (choose?.kind === 'greedy') return { ids: await ticket.ids!() };
  const logits = await ticket.logits();
  return attention ? { logits, attention: await ticket.attention!() } : { logits };
}

/** Of the ids chosen for slice i those that were computed on: all but the last. */
function fedBack(ids: Int32Array, i: number, count: number): number[] {
  return Array.from(ids.subarray(i * count, (i + 1) * count - 1));
}

function isDeviceFailure(error: unknown): error is UserError {
  return error instanceof UserError && error.kind === 'device';
}
