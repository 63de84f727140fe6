/**
 * Decodes several tokens a step. A drafter proposes the next tokens. One step computes the logits after the current
 * token and after each drafted one. They are returned row by row while the chosen tokens equal the drafted ones. The
 * rest of the draft is removed from the cache, so the model must not be recurrent.
 *
 * The sampler draws each token from the logits after the same text as in plain decoding, in the same order. If a
 * backend's logits do not depend on the number of tokens in a step (cpu and reference: same bits), the ids are
 * therefore those of plain decoding, for every sampler and seed.
 */
import type { Sequence } from '../sequence.ts';
import { DraftLength } from './draft-length.ts';
import type { Drafter } from './drafter.ts';
import type { StepCosts } from './step-costs.ts';

/** Most tokens drafted for a step. With them a step has 8, for which kernels of small batches are made. */
const LONGEST_DRAFT = 7;

export interface SpeculationOptions {
  /** Most tokens that the sequence may hold, including drafted ones. */
  readonly mostTokens: number;
  /** Draft as much as allowed, whether or not it pays. */
  readonly always: boolean;
  /** Known times of steps; continues to learn. */
  readonly costs: StepCosts;
}

export interface SpeculationStats {
  readonly steps: number; // with a draft or without
  readonly drafts: number; // steps with one
  readonly drafted: number; // tokens
  readonly accepted: number; // of them
  readonly meanAccepted: number; // tokens a draft
  /** Estimated time of the steps as plain ones, divided by the time they took. */
  readonly gain?: number;
}

/** A step and its result so far. */
interface Round {
  readonly kind: number | undefined; // of the draft
  readonly draft: readonly number[];
  readonly rows: Float32Array; // [1 + draft, V]
  readonly ms: number;
  accepted: number; // of the draft
}

export class SpeculativeDecoder {
  readonly #sequence: Sequence;
  readonly #drafter: Drafter;
  readonly #mostTokens: number;
  readonly #length: DraftLength;
  readonly #text: number[]; // decided tokens; the sequence may hold drafted tokens beyond
  readonly #totals = { steps: 0, drafts: 0, drafted: 0, accepted: 0 };
  #round: Round | undefined;

  /** @param promptIds tokens that the sequence will hold when the first token is appended */
  constructor(
    sequence: Sequence,
    promptIds: readonly number[],
    drafter: Drafter,
    options: SpeculationOptions,
  ) {
    this.#sequence = sequence;
    this.#text = promptIds.slice();
    this.#drafter = drafter;
    this.#mostTokens = options.mostTokens;
    this.#length = new DraftLength(options.costs, options.always);
  }

  /** Like Sequence.append: adds one token and returns its logits [V], valid until the next call. */
  async append(id: number): Promise<Float32Array> {
    let round = this.#round;
    if (round?.draft[round.accepted] === id) {
      this.#text.push(id);
      round.accepted++;
    } else {
      this.end();
      this.#text.push(id);
      round = await this.#step(id);
      this.#round = round;
    }
    const V = round.rows.length / (1 + round.draft.length);
    return round.rows.subarray(round.accepted * V, (round.accepted + 1) * V);
  }

  /** Leaves only the appended tokens in the sequence. */
  end(): void {
    const round = this.#round;
    if (!round) return;
    this.#round = undefined;
    this.#sequence.trim(this.#text.length);
    const drafted = round.draft.length;
    const isFirst = drafted > 0 && this.#totals.drafts === 0; // a draft model reads the prompt first
    this.#length.observe({ ...round, drafted, isFirst });
    this.#totals.steps++;
    this.#totals.drafts += Math.sign(drafted);
    this.#totals.drafted += drafted;
    this.#totals.accepted += round.accepted;
  }

  get stats(): SpeculationStats {
    const { drafts, accepted } = this.#totals;
    return { ...this.#totals, meanAccepted: drafts && accepted / drafts, gain: this.#length.gain };
  }

  async #step(id: number): Promise<Round> {
    const start = performance.now();
    const text = this.#text;
    const kind = this.#drafter.kind(text);
    const room = Math.min(this.#mostTokens - text.length, this.#sequence.model.maxTokens - 1, LONGEST_DRAFT);
    const length = kind === undefined ? 0 : this.#length.choose(kind, room);
    const draft = length > 0 ? await this.#drafter.propose(text, length) : [];
    const rows = await this.#sequence.append(id, ...draft);
    return { kind, draft, rows, ms: performance.now() - start, accepted: 0 };
  }
}
