/**
 * A small honest model for tests. Its logits are a function of the whole token history that its cache holds, so
 * that a wrong reuse of the cache shows in them; it refuses what the contract forbids. Its tokenizer has a token for every byte.
 */
import { setImmediate } from 'node:timers/promises';
import type { Executable, Result, Slice, Step, Want } from '../../backends/backend.ts';
import { topOf } from '../../backends/results.ts';
import { Random } from '../../core/sampler/random.ts';
import { Scheduler } from '../../core/scheduler.ts';
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
  /** Its sequences go on or begin again, as with recurrent states. */
  readonly recurrent?: boolean;
  /** Chooses tokens itself, as a device may. */
  readonly chooses?: Executable['chooses'];
  /** All logits are 0, as of weights of zero. */
  readonly flat?: boolean;
}

type CompleteOptions = Required<
  Pick<FakeOptions, 'contextLength' | 'sequences' | 'maxTokens' | 'favourite'>
> &
  FakeOptions;

export class FakeExecutable implements Executable {
  readonly memory = { weights: 0, kv: 0, arena: 0 };
  readonly steps: Step[] = [];
  readonly chooses: Executable['chooses'];
  readonly #options: CompleteOptions;
  readonly #sequences: number[][];
  #busy = false;

  constructor(options: CompleteOptions) {
    this.#options = options;
    this.chooses = options.chooses;
    this.#sequences = Array.from({ length: options.sequences }, () => []);
  }

  /** The content of the cache. */
  tokens(seq: number): readonly number[] {
    return this.#sequences[seq]!;
  }

  submit(step: Step): Promise<readonly Result[]> {
    if (this.#busy) throw new Error('The earlier step has not settled yet.');
    for (const slice of step.slices) this.#check(slice);
    this.steps.push(step);
    this.#busy = true;
    return this.#compute(step).finally(() => {
      this.#busy = false;
    });
  }

  kvCopy(from: number, to: number, upto: number): void {
    const { length } = this.#sequences[from]!;
    if (upto > length) throw new RangeError(`Expected ${upto} positions to copy.`);
    if (this.#options.recurrent && upto !== 0 && upto !== length) {
      throw new RangeError(`Expected 0 or ${length} positions to copy, got ${upto}.`);
    }
    this.#sequences[to] = this.#sequences[from]!.slice(0, upto);
  }

  kvTrim(seq: number, upto: number): number {
    this.#sequences[seq]!.splice(this.keeps(seq, upto));
    return this.#sequences[seq]!.length;
  }

  keeps(seq: number, upto: number): number {
    const { length } = this.#sequences[seq]!;
    return this.#options.recurrent && upto < length ? 0 : Math.min(upto, length);
  }

  async save(seq: number, upto: number): Promise<Uint8Array> {
    return Uint8Array.from(Buffer.from(JSON.stringify({ fake: this.#sequences[seq]!.slice(0, upto) })));
  }

  async restore(seq: number, saved: Uint8Array): Promise<number> {
    this.#sequences[seq] = JSON.parse(Buffer.from(saved).toString()).fake;
    return this.#sequences[seq]!.length;
  }

  dispose(): void {}

  #check({ seq, pos, tokens, want }: Slice): void {
    if (want?.kind === 'top' || want?.kind === 'greedy') {
      const most = this.chooses?.[want.kind] ?? 0;
      if (want.count < 1 || want.count > most) throw new RangeError(`Got a choice of ${want.count}.`);
    }
    const { contextLength, maxTokens } = this.#options;
    const held = this.#sequences[seq]!.length;
    // Stricter than the contract: replaced positions must have been trimmed, so that cache and caller agree.
    if (pos !== held) throw new RangeError(`Expected position ${held}, got ${pos}.`);
    if (tokens.length < 1 || tokens.length > maxTokens) throw new RangeError(`Got ${tokens.length} tokens.`);
    if (pos + tokens.length > contextLength) throw new RangeError(`Got a position past ${contextLength}.`);
  }

  async #compute({ slices }: Step): Promise<Result[]> {
    await setImmediate();
    this.#options.onStep?.(this.steps.at(-1)!);
    return slices.map(({ seq, tokens, want }) => {
      const rows = Array.from(tokens, (token) => this.#next(seq, token));
      return want ? this.#result(want, seq, rows) : { kind: 'none' };
    });
  }

  /** By the definition of what is wanted. */
  #result(want: Want, seq: number, rows: readonly Float32Array[]): Result {
    const last = rows.at(-1)!;
    if (want.kind === 'logits') {
      const logits = want.rows === 'all' ? rows.flatMap((row) => [...row]) : last;
      return { kind: 'logits', logits: Float32Array.from(logits) };
    }
    if (want.kind === 'top') return { kind: 'top', ...topOf(last, want.count) };
    if (want.kind !== 'greedy') throw new RangeError(`The fake gives no ${want.kind}.`);
    const ids = [topOf(last, 1).ids[0]!];
    while (ids.length < want.count) ids.push(topOf(this.#next(seq, ids.at(-1)!), 1).ids[0]!);
    return { kind: 'greedy', ids: Int32Array.from(ids) };
  }

  /** Adds a token; the logits after it. */
  #next(seq: number, token: number): Float32Array {
    const history = this.#sequences[seq]!;
    history.push(token);
    if (this.#options.flat) return new Float32Array(VOCABULARY_SIZE);
    return fakeLogits(history, this.#options.favourite(history));
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

  countControls(_text: string): number {
    return 0; // encoding knows bytes only
  }
}

export function fakeModel(options: FakeOptions = {}) {
  const complete = { contextLength: 64, sequences: 2, maxTokens: 8, favourite: () => undefined, ...options };
  const { contextLength, sequences, maxTokens } = complete;
  const tokenizer: Tokenizer = new ByteTokenizer();
  const sizes = { contextLength, sequences, maxTokens, recurrent: options.recurrent ?? false };
  return modelOf(new FakeExecutable(complete), { tokenizer, ...sizes });
}

/** Any executable as a model. */
export function modelOf<E extends Executable, S extends { readonly maxTokens: number }>(
  executable: E,
  rest: S,
) {
  const facts = { recurrent: false, trainedContext: Number.POSITIVE_INFINITY };
  return { ...facts, ...rest, executable, scheduler: new Scheduler(executable, rest.maxTokens) };
}

/** A favourite that continues any history of `prompt` bytes with `answer`, then the end token. */
export function saying(promptTokens: number, answer: string): Favourite {
  const bytes = Buffer.from(answer);
  return (tokens) => bytes[tokens.length - promptTokens] ?? END;
}
