/**
 * A small model for tests. Its logits are a function of the whole token history in its cache, so a wrong reuse of the
 * cache shows in them. Every submit overwrites its one logits buffer, as a real backend may. It rejects whatever the
 * contract forbids. Its tokenizer has a token for every byte.
 */
import { setImmediate } from 'node:timers/promises';
import type { Executable, Slice, Step, Ticket } from '../../backends/backend.ts';
import { Random } from '../../core/sampler/random.ts';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.ts';

export const BOS = 256;
export const END = 257;
export const VOCABULARY_SIZE = 258;

/** Logits [V] after `tokens`: noise from -4 to 4 seeded by all of them, and 20 for the favourite, if any. */
export function fakeLogits(tokens: readonly number[], favourite?: number): Float32Array {
  let hash = 0x811c9dc5; // FNV-1a over the ids
  for (const token of tokens) hash = Math.imul(hash ^ (token + 1), 0x01000193);
  const random = new Random(hash >>> 0);
  const logits = Float32Array.from({ length: VOCABULARY_SIZE }, () => random.uniform() * 8 - 4);
  if (favourite !== undefined) logits[favourite] = 20;
  return logits;
}

/** The next token after a history; undefined for one drawn from the noise. */
export type Favourite = (tokens: readonly number[]) => number | undefined;

export interface FakeOptions {
  readonly contextLength?: number;
  readonly sequences?: number;
  readonly maxTokens?: number;
  readonly favourite?: Favourite;
  /** Runs before a step computes: to abort or to fail in the middle. */
  readonly onStep?: (step: Step) => void;
  /** Chooses tokens itself, as a device may. */
  readonly chooses?: Executable['chooses'];
}

type CompleteOptions = Required<Omit<FakeOptions, 'onStep' | 'chooses'>> &
  Pick<FakeOptions, 'onStep' | 'chooses'>;

export class FakeExecutable implements Executable {
  readonly memory = { weights: 0, kv: 0, arena: 0 };
  readonly steps: Step[] = [];
  readonly chooses: Executable['chooses'];
  readonly #options: CompleteOptions;
  readonly #sequences: number[][];
  readonly #buffer: Float32Array;
  #busy = false;

  constructor(options: CompleteOptions) {
    this.#options = options;
    this.chooses = options.chooses;
    this.#sequences = Array.from({ length: options.sequences }, () => []);
    this.#buffer = new Float32Array(new SharedArrayBuffer(4 * VOCABULARY_SIZE * options.maxTokens));
  }

  /** The content of the cache. */
  tokens(seq: number): readonly number[] {
    return this.#sequences[seq]!;
  }

  submit(step: Step): Ticket {
    if (this.#busy) throw new Error('Expected the earlier ticket to have settled.');
    for (const slice of step.slices) this.#check(slice);
    this.steps.push(step);
    this.#buffer.fill(Number.NaN);
    this.#busy = true;
    const logits = this.#compute(step).finally(() => {
      this.#busy = false;
    });
    logits.catch(() => undefined);
    if (step.choose) return this.#choose(step, logits);
    return { logits: () => logits };
  }

  /** The choice for the only row of a step, by its definition. */
  #choose({ choose, slices }: Step, logits: Promise<Float32Array>): Ticket {
    const { kind, count } = choose!;
    if (count < 1 || count > (this.chooses?.[kind] ?? 0)) throw new RangeError(`Got a choice of ${count}.`);
    const sorted = (row: Float32Array) => [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b);
    const top = async () => {
      const row = await logits;
      const ids = sorted(row).slice(0, count);
      const logSumExp = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
      return {
        ids: Int32Array.from(ids),
        logits: Float32Array.from(ids, (id) => row[id]!),
        logSumExp: Float32Array.of(logSumExp),
      };
    };
    const ids = async () => {
      const history = this.#sequences[slices[0]!.seq]!;
      const chosen = [sorted(await logits)[0]!];
      while (chosen.length < count) {
        history.push(chosen.at(-1)!);
        chosen.push(sorted(fakeLogits(history, this.#options.favourite(history)))[0]!);
      }
      return Int32Array.from(chosen);
    };
    return { logits: () => Promise.reject(new Error('It chose by itself.')), top, ids };
  }

  kvCopy(from: number, to: number, upto: number): void {
    if (upto > this.#sequences[from]!.length) throw new RangeError(`Expected ${upto} positions to copy.`);
    this.#sequences[to] = this.#sequences[from]!.slice(0, upto);
  }

  kvTrim(seq: number, upto: number): void {
    this.#sequences[seq]!.splice(upto);
  }

  dispose(): void {}

  #check({ seq, pos, tokens }: Slice): void {
    const { contextLength, maxTokens } = this.#options;
    const held = this.#sequences[seq]!.length;
    // Stricter than the contract: replaced positions must have been trimmed, so that cache and caller agree.
    if (pos !== held) throw new RangeError(`Expected position ${held}, got ${pos}.`);
    if (tokens.length < 1 || tokens.length > maxTokens) throw new RangeError(`Got ${tokens.length} tokens.`);
    if (pos + tokens.length > contextLength) throw new RangeError(`Got a position past ${contextLength}.`);
  }

  async #compute({ slices, logits }: Step): Promise<Float32Array> {
    await setImmediate();
    this.#options.onStep?.(this.steps.at(-1)!);
    let rows = 0;
    for (const { seq, tokens } of slices) {
      const history = this.#sequences[seq]!;
      for (let i = 0; i < tokens.length; i++) {
        history.push(tokens[i]!);
        if (logits === 'none' || (logits === 'last' && i < tokens.length - 1)) continue;
        this.#buffer.set(fakeLogits(history, this.#options.favourite(history)), VOCABULARY_SIZE * rows++);
      }
    }
    return this.#buffer.subarray(0, VOCABULARY_SIZE * rows);
  }
}

/** Ids 0 to 255 are bytes, then a begin and an end token. */
export class ByteTokenizer implements Tokenizer {
  readonly model = 'bpe';
  readonly vocabularySize: number = VOCABULARY_SIZE;
  readonly bosId = BOS;
  readonly eosId = END;
  readonly addBos: boolean = false;
  readonly addEos = false;
  readonly addSpacePrefix: boolean = false;
  readonly endIds: ReadonlySet<number> = new Set([END]);

  encode(text: string): number[] {
    return [...Buffer.from(text)];
  }

  decode(ids: ArrayLike<number>): string {
    return Buffer.from(Array.from(ids).filter((id) => id < 256)).toString();
  }

  tokenBytes(id: number, { special = false } = {}): Uint8Array {
    if (id < 256) return Uint8Array.of(id);
    return Buffer.from(special ? this.piece(id) : '');
  }

  piece(id: number): string {
    return id < 256 ? String.fromCharCode(id) : id === BOS ? '<s>' : '</s>';
  }

  isControl(id: number): boolean {
    return id >= 256;
  }
}

export function fakeModel(options: FakeOptions = {}) {
  const complete = { contextLength: 64, sequences: 2, maxTokens: 8, favourite: () => undefined, ...options };
  const { contextLength, sequences, maxTokens } = complete;
  const tokenizer: Tokenizer = new ByteTokenizer();
  return { executable: new FakeExecutable(complete), tokenizer, contextLength, sequences, maxTokens };
}

/** A favourite that continues any history of `prompt` bytes with `answer`, then the end token. */
export function saying(promptTokens: number, answer: string): Favourite {
  const bytes = Buffer.from(answer);
  return (tokens) => bytes[tokens.length - promptTokens] ?? END;
}
