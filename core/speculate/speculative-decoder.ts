/**
 * Decoding several tokens a step: a drafter proposes how the text goes on, one step computes the logits after
 * the token at hand and after each drafted one, and they are handed out row by row as long as the tokens chosen
 * are those drafted. What was drafted beyond is taken back from the cache, so the model must not be recurrent.
 *
 * The sampler draws each token from the logits after the same text as in plain decoding, in the same order. Where a
 * backend's logits do not depend on how many tokens a step has (cpu and reference: same bits), the ids are therefore
 * those of plain decoding, for every sampler and seed.
 */
import type { Session } from '../session.ts';
import { DraftLength } from './draft-length.ts';
import type { Drafter } from './drafter.ts';
import type { StepCosts } from './step-costs.ts';

/** Most tokens drafted for a step, which then has 8: what kernels for small batches are made for. */
const LONGEST_DRAFT = 7;

export interface SpeculationOptions {
  /** Most tokens the session may hold, drafted ones included. */
  readonly mostTokens: number;
  /** Drafts as much as it can, whether or not that pays. */
  readonly always: boolean;
  /** What is known of the times of steps, and learned on. */
  readonly costs: StepCosts;
}

export interface SpeculationStats {
  readonly steps: number; // with a draft or without
  readonly drafts: number; // steps with one
  readonly drafted: number; // tokens
  readonly accepted: number; // of them
  readonly meanAccepted: number; // tokens a draft
  /** Estimated time of the steps had they been plain over the time they took. */
  readonly gain?: number;
}

/** A step and what came of it so far. */
interface Round {
  readonly kind: number | undefined; // of the draft
  readonly draft: readonly number[];
  readonly rows: Float32Array; // [1 + draft, V]
  readonly ms: number;
  accepted: number; // of the draft
}

export class SpeculativeDecoder {
  readonly #session: Session;
  readonly #drafter: Drafter;
  readonly #mostTokens: number;
  readonly #length: DraftLength;
  readonly #text: number[]; // what is decided; the session may hold drafted tokens beyond
  readonly #totals = { steps: 0, drafts: 0, drafted: 0, accepted: 0 };
  #round: Round | undefined;

  /** @param promptIds what the session will hold when the first token is appended */
  constructor(session: Session, promptIds: readonly number[], drafter: Drafter, options: SpeculationOptions) {
    this.#session = session;
    this.#text = promptIds.slice();
    this.#drafter = drafter;
    this.#mostTokens = options.mostTokens;
    this.#length = new DraftLength(options.costs, options.always);
  }

  /** Like Session.append: adds one token and returns its logits [V], valid until the next call. */
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

  /** Leaves the session with what was appended. */
  end(): void {
    const round = this.#round;
    if (!round) return;
    this.#round = undefined;
    this.#session.trim(this.#text.length);
    const drafted = round.draft.length;
    const isFirst = drafted > 0 && this.#totals.drafts === 0; // a draft model reads the prompt for it
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
    const room = Math.min(this.#mostTokens - text.length, this.#session.model.maxTokens - 1, LONGEST_DRAFT);
    const length = kind === undefined ? 0 : this.#length.choose(kind, room);
    const draft = length > 0 ? await this.#drafter.propose(text, length) : [];
    const rows = await this.#session.append(id, ...draft);
    return { kind, draft, rows, ms: performance.now() - start, accepted: 0 };
  }
}
