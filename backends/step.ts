/**
 * Work of every backend before it computes: checks a step against the program and the KV cache, and lays its slices out
 * as rows, one for each token.
 */
import { UserError } from '../errors.ts';
import type { AttentionShape, Executable, Limits, Program, Ring, Slice, Step } from './backend.ts';
import { isBidirectional, isRecurrent } from './ops.ts';
import { rowsWanted } from './results.ts';

/** The tokens of a step in slice order. */
export interface StepRows {
  readonly tokens: Int32Array; // [T] ids
  readonly positions: Int32Array; // [T]
  readonly sequences: Int32Array; // [T]
  readonly outputs: Int32Array; // [S] rows wanted, ascending
}

/** The number of positions that each sequence of an executable holds, and checks of steps and cache calls. */
export class Sequences {
  readonly #limits: Limits;
  readonly #vocabulary: number;
  readonly #chooses: Executable['chooses'];
  readonly #lengths: number[];
  readonly #ring: Ring | undefined;
  readonly #lowest: number[]; // position that the ring of each sequence still holds
  readonly #recurrent: boolean;
  readonly #bidirectional: boolean; // a sequence can only continue or restart

  /**
   * @param vocabulary number of token ids (vocabularyOf)
   * @param chooses of the executable
   * @param ring of an executable that keeps one
   */
  constructor(
    program: Pick<Program, 'limits' | 'ops' | 'states'>,
    vocabulary: number,
    { chooses, ring }: { chooses?: Executable['chooses']; ring?: Ring } = {},
  ) {
    const { limits } = program;
    this.#limits = limits;
    this.#recurrent = isRecurrent(program);
    this.#bidirectional = isBidirectional(program);
    this.#vocabulary = vocabulary;
    this.#chooses = chooses;
    this.#lengths = new Array(limits.sequences).fill(0);
    this.#ring = ring;
    this.#lowest = new Array(limits.sequences).fill(0);
  }

  /**
   * Checks a step, lays it out, and counts its positions as held. A slice that starts before the end of its sequence
   * replaces the positions from there on. Throws UserError for token ids and context lengths, which users choose, and
   * RangeError for mistakes of a caller.
   */
  take(step: Step): StepRows {
    const { slices } = step;
    const tokens = slices.reduce((sum, slice) => sum + slice.tokens.length, 0);
    for (const slice of slices) this.#checkWant(slice, slices, tokens);
    const added = greedyCount(step) - 1; // positions that the device adds itself
    this.#checkSlices(slices, tokens, added);
    for (const slice of slices) this.#checkTokens(slice.tokens);
    for (const { seq, pos, tokens } of slices) this.#reach(seq, pos, pos + tokens.length + added);
    return layOut(step);
  }

  #reach(seq: number, pos: number, end: number): void {
    this.#lengths[seq] = end;
    if (pos === 0) this.#lowest[seq] = 0;
    if (this.#ring) this.#lowest[seq] = Math.max(this.#lowest[seq]!, end - this.#ring.positions);
  }

  /** Takes back a step of which nothing was computed: its sequences end where its slices begin. */
  undo({ slices }: Step): void {
    for (const { seq, pos } of slices) this.#lengths[seq] = pos;
  }

  /** Checks `kvCopy` and counts positions 0..upto-1 of `to` as held. Throws RangeError. */
  copy(from: number, to: number, upto: number): void {
    this.#checkSequence(from);
    this.#checkSequence(to);
    this.#checkReached(from, upto, 'kvCopy upto');
    this.#lengths[to] = upto;
    this.#lowest[to] = upto === 0 ? 0 : this.#lowest[from]!;
  }

  /** The first position that the ring of a sequence still holds. */
  lowest(seq: number): number {
    return this.#lowest[seq]!;
  }

  /** Executable.keeps. Throws RangeError. */
  keeps(seq: number, upto: number): number {
    this.#checkSequence(seq);
    const length = this.#lengths[seq]!;
    if (upto >= length) return length;
    if (this.#recurrent || this.#bidirectional) return 0;
    if (!this.#ring) return upto;
    return Math.max(0, upto + 1 - this.#ring.window) < this.#lowest[seq]! ? 0 : upto;
  }

  /** Checks `kvTrim`, counts positions from `upto` on as free and returns the number held. Throws RangeError. */
  trim(seq: number, upto: number): number {
    this.#checkSequence(seq);
    check(isCount(upto), 'kvTrim upto', 'a position', upto);
    this.#lengths[seq] = this.#bidirectional ? 0 : this.keeps(seq, upto);
    return this.#lengths[seq]!;
  }

  /** Checks the number of positions of a sequence to save. Throws RangeError. */
  checkHeld(seq: number, upto: number): void {
    this.#checkSequence(seq);
    this.#checkReached(seq, upto, 'positions to save');
  }

  /** Counts the `length` restored positions of a sequence as held, in a ring those from `lowest` on. Throws UserError. */
  restore(seq: number, length: number, lowest = 0): void {
    this.#checkSequence(seq);
    const { contextLength } = this.#limits;
    if (length > contextLength) {
      throw new UserError(
        `Expected a saved sequence of at most ${contextLength} tokens, got one of ${length}.`,
        'Ask for a longer context (--ctx N).',
      );
    }
    this.#lengths[seq] = length;
    this.#lowest[seq] = lowest;
  }

  #checkSlices(slices: readonly Slice[], T: number, added: number): void {
    const { maxTokens } = this.#limits;
    check(T >= 1 && T <= maxTokens, 'tokens of a step', `1 to ${maxTokens}`, T);
    for (const { seq, pos, tokens } of slices) {
      this.#checkSequence(seq);
      check(tokens.length > 0, `tokens of sequence ${seq}`, 'at least 1', tokens.length);
      this.#checkReached(seq, pos, 'slice pos');
      this.#checkContext(pos + tokens.length + added);
    }
    const distinct = new Set(slices.map(({ seq }) => seq)).size;
    check(distinct === slices.length, 'sequences of a step', `${slices.length} different ones`, distinct);
  }

  #checkWant({ want }: Slice, slices: readonly Slice[], T: number): void {
    if (want?.kind === 'attention') {
      if (!this.#limits.attention) {
        throw new RangeError('This program was not compiled for attention weights (Limits.attention).');
      }
      // Backends keep the scores of attention only for a step of one token.
      check(T === 1, 'tokens of a step that wants attention', '1', T);
    }
    if (want?.kind === 'values' && !this.#limits.taps?.length) {
      throw new RangeError('This program was not compiled to keep values (Limits.taps).');
    }
    if (want?.kind !== 'top' && want?.kind !== 'greedy') return;
    const most = this.#chooses?.[want.kind] ?? 0;
    check(
      isCount(want.count) && want.count >= 1 && want.count <= most,
      `count of ${want.kind}`,
      `1 to ${most}`,
      want.count,
    );
    if (want.kind === 'top' || want.count === 1) return;
    const alike = slices.filter((other) => other.want?.kind === 'greedy' && other.want.count === want.count);
    check(
      alike.length === slices.length,
      `slices that want ${want.count} ids`,
      `${slices.length}`,
      alike.length,
    );
  }

  /** Checks that a sequence can continue from position `pos`. */
  #checkReached(seq: number, pos: number, what: string): void {
    const length = this.#lengths[seq]!;
    if (this.#bidirectional && what === 'slice pos') check(pos === 0, what, '0', pos);
    else if (!this.#recurrent) {
      check(isCount(pos) && pos <= length, what, `0 to ${length}`, pos);
      check(this.keeps(seq, pos) === pos, what, `a position that the ring of ${seq} reaches`, pos);
    } else check(pos === 0 || pos === length, what, length === 0 ? '0' : `0 or ${length}`, pos);
  }

  #checkSequence(seq: number): void {
    const { sequences } = this.#limits;
    check(isCount(seq) && seq < sequences, 'sequence', `0 to ${sequences - 1}`, seq);
  }

  #checkContext(length: number): void {
    const { contextLength } = this.#limits;
    if (length <= contextLength) return;
    throw new UserError(
      `Expected at most ${contextLength} tokens, the context length, got ${length}.`,
      'Shorten the prompt or ask for a longer context.',
      { kind: 'context' },
    );
  }

  #checkTokens(tokens: ArrayLike<number>): void {
    for (let i = 0; i < tokens.length; i++) {
      const id = tokens[i]!;
      if (isCount(id) && id < this.#vocabulary) continue;
      throw new UserError(
        `Expected token ids from 0 to ${this.#vocabulary - 1}, got ${id}.`,
        'Use ids that this model’s own tokenizer gives.',
      );
    }
  }
}

/** The rows of attention weights of a program, or undefined if it is compiled without them. */
export function attentionShape({ limits, ops }: Program): AttentionShape | undefined {
  if (!limits.attention) return undefined;
  return { heads: ops.flatMap((op) => (op.op === 'attention' ? [op.heads] : [])) };
}

/** Number of greedy ids that each slice of a step wants; 1 if the slices want something else. */
export function greedyCount({ slices }: Step): number {
  const want = slices[0]?.want;
  return want?.kind === 'greedy' ? want.count : 1;
}

/** The rows of a step in slice order. */
export function layOut({ slices }: Step): StepRows {
  const tokens: number[] = [];
  const positions: number[] = [];
  const sequences: number[] = [];
  const outputs: number[] = [];
  for (const slice of slices) {
    for (let i = 0; i < slice.tokens.length; i++) {
      tokens.push(slice.tokens[i]!);
      positions.push(slice.pos + i);
      sequences.push(slice.seq);
    }
    for (let i = rowsWanted(slice); i > 0; i--) outputs.push(tokens.length - i);
  }
  return {
    tokens: Int32Array.from(tokens),
    positions: Int32Array.from(positions),
    sequences: Int32Array.from(sequences),
    outputs: Int32Array.from(outputs),
  };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

function check(holds: boolean, what: string, expected: string, got: number): void {
  if (!holds) throw new RangeError(`Expected ${what} to be ${expected}, got ${got}.`);
}
