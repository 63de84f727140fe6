/**
 * What every backend does before it computes: check a step against the program and the KV cache, and lay its
 * slices out as rows, one for each token.
 */
import { UserError } from '../errors.ts';
import type { AttentionShape, Program, Slice, Step } from './backend.ts';

/** The tokens of a step in slice order. */
export interface StepRows {
  readonly tokens: Int32Array; // [T] ids
  readonly positions: Int32Array; // [T]
  readonly sequences: Int32Array; // [T]
  readonly outputs: Int32Array; // [S] rows wanted, ascending
}

/** How many positions each sequence of an executable holds. Every step and cache call passes through here. */
export class Sequences {
  readonly #program: Program;
  readonly #vocabulary: number;
  readonly #lengths: number[];

  /** @param vocabulary ids of tokens are smaller (vocabularyOf) */
  constructor(program: Program, vocabulary: number) {
    this.#program = program;
    this.#vocabulary = vocabulary;
    this.#lengths = new Array(program.limits.sequences).fill(0);
  }

  /**
   * Checks a step, lays it out, and counts its positions as held; a slice that starts before the end of its
   * sequence replaces what was there. Throws UserError for token ids and context lengths, which users choose,
   * and RangeError for what only a caller can get wrong.
   */
  take(step: Step): StepRows {
    if (step.attention) this.#checkAttention(step);
    const chosen = step.choose?.kind === 'greedy' ? step.choose.count - 1 : 0; // tokens that the device adds itself
    this.#checkSlices(step.slices, chosen);
    for (const { tokens } of step.slices) this.#checkTokens(tokens);
    for (const { seq, pos, tokens } of step.slices) this.#lengths[seq] = pos + tokens.length + chosen;
    return layOut(step);
  }

  /** Checks `kvCopy` and counts positions 0..upto-1 of `to` as held. Throws RangeError. */
  copy(from: number, to: number, upto: number): void {
    this.#checkSequence(from);
    this.#checkSequence(to);
    check(isCount(upto) && upto <= this.#lengths[from]!, 'kvCopy upto', `0 to ${this.#lengths[from]}`, upto);
    this.#lengths[to] = upto;
  }

  /** Checks `kvTrim` and counts positions from `upto` on as free. Throws RangeError. */
  trim(seq: number, upto: number): void {
    this.#checkSequence(seq);
    check(isCount(upto), 'kvTrim upto', 'a position', upto);
    this.#lengths[seq] = Math.min(this.#lengths[seq]!, upto);
  }

  #checkSlices(slices: readonly Slice[], chosen: number): void {
    const T = slices.reduce((sum, { tokens }) => sum + tokens.length, 0);
    const { maxTokens } = this.#program.limits;
    check(T >= 1 && T <= maxTokens, 'tokens of a step', `1 to ${maxTokens}`, T);
    for (const { seq, pos, tokens } of slices) {
      this.#checkSequence(seq);
      check(tokens.length > 0, `tokens of sequence ${seq}`, 'at least 1', tokens.length);
      check(isCount(pos) && pos <= this.#lengths[seq]!, 'slice pos', `0 to ${this.#lengths[seq]}`, pos);
      this.#checkContext(pos + tokens.length + chosen);
    }
    const distinct = new Set(slices.map(({ seq }) => seq)).size;
    check(distinct === slices.length, 'sequences of a step', `${slices.length} different ones`, distinct);
  }

  /** Only a token alone is computed in a way that leaves what its weights are made of. */
  #checkAttention({ slices, choose }: Step): void {
    if (!this.#program.limits.attention) {
      throw new RangeError(
        'Expected a program compiled for attention weights (Limits.attention), got another.',
      );
    }
    const T = slices.reduce((sum, { tokens }) => sum + tokens.length, 0);
    check(T === 1, 'tokens of a step that asks for attention', '1', T);
    if (choose)
      throw new RangeError('Expected a step that asks for attention to make no choice, but it does.');
  }

  #checkSequence(seq: number): void {
    const { sequences } = this.#program.limits;
    check(isCount(seq) && seq < sequences, 'sequence', `0 to ${sequences - 1}`, seq);
  }

  #checkContext(length: number): void {
    const { contextLength } = this.#program.limits;
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

/** The rows of attention weights of a program that is compiled for them, undefined for another. */
export function attentionShape({ limits, ops }: Program): AttentionShape | undefined {
  if (!limits.attention) return undefined;
  return { heads: ops.flatMap((op) => (op.op === 'attention' ? [op.heads] : [])) };
}

function layOut({ slices, logits }: Step): StepRows {
  const rows = slices.flatMap(({ seq, pos, tokens }) =>
    Array.from(tokens, (token, i) => ({ token, seq, pos: pos + i, last: i === tokens.length - 1 })),
  );
  const wanted = { none: () => false, last: ({ last }: { last: boolean }) => last, all: () => true }[logits];
  return {
    tokens: Int32Array.from(rows, ({ token }) => token),
    positions: Int32Array.from(rows, ({ pos }) => pos),
    sequences: Int32Array.from(rows, ({ seq }) => seq),
    outputs: Int32Array.from(rows.keys().filter((row) => wanted(rows[row]!))),
  };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

function check(holds: boolean, what: string, expected: string, got: number): void {
  if (!holds) throw new RangeError(`Expected ${what} to be ${expected}, got ${got}.`);
}
