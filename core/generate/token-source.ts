/**
 * Sources of the next token. The sampler chooses it from all logits of a step, or from the largest ones that the device
 * selects, or the device chooses it greedily. `take` returns a token; `advance` computes the step for the token after
 * it.
 */
import type { Result, TopLogits, Want } from '../../backends/backend.ts';
import { logitsOf } from '../../backends/results.ts';
import type { SamplerChain } from '../sampler/chain.ts';
import type { Evaluated, EvaluateOptions, Sequence } from '../sequence.ts';
import type { SpeculativeDecoder } from '../speculate/speculative-decoder.ts';
import { LEAST_TO_JUDGE } from './differences.ts';

export interface TokenSource {
  /** Computes the prompt. */
  start(promptIds: readonly number[], options: EvaluateOptions): Promise<Evaluated>;
  /** The next id, and the logits it was chosen from, if the device returned them. */
  take(): { readonly id: number; readonly logits?: Float32Array };
  /** Computes the step over `id`, the token taken last. */
  advance(id: number): Promise<void>;
  /** Trims the sequence to `length` tokens. */
  end(length: number): void;
}

export interface SourceOptions {
  readonly sampler: SamplerChain;
  readonly banned?: ReadonlySet<number>;
  readonly speculation?: SpeculativeDecoder;
  /** The caller needs log probabilities, so all logits must be returned. */
  readonly scored: boolean;
  /** Most tokens to take. */
  readonly limit: number;
}

/** Lets the device choose if it can. Speculation needs the logits of every token, so then it does not. */
export function tokenSource(sequence: Sequence, options: SourceOptions): TokenSource {
  const { sampler, speculation, limit } = options;
  if (speculation || !deviceChooses(sequence, options)) return new FromLogits(sequence, options);
  if (sampler.sees!.kind === 'greedy') {
    // The answer may end before the last id of a step, and a recurrent model cannot drop the ids after its end.
    const most = sequence.model.recurrent ? 1 : sequence.model.executable.chooses!.greedy;
    return new Greedy(sequence, most, limit);
  }
  return new FromTop(sequence, sampler, sampler.sees!.count);
}

/** Whether the device can select everything that the sampler reads, and nothing else needs all logits. */
export function deviceChooses(
  { model }: Sequence,
  { sampler, banned, scored }: Pick<SourceOptions, 'sampler' | 'banned' | 'scored'>,
): boolean {
  const { chooses } = model.executable;
  if (!chooses || !sampler.sees || scored || (banned && banned.size > 0)) return false;
  return sampler.sees.kind === 'greedy' ? chooses.greedy > 0 : sampler.sees.count <= chooses.top;
}

class FromLogits implements TokenSource {
  readonly #sequence: Sequence;
  readonly #options: SourceOptions;
  #logits = new Float32Array(0);

  constructor(sequence: Sequence, options: SourceOptions) {
    this.#sequence = sequence;
    this.#options = options;
  }

  async start(promptIds: readonly number[], options: EvaluateOptions): Promise<Evaluated> {
    const evaluated = await this.#sequence.evaluate(promptIds, options);
    this.#logits = logitsOf(evaluated.result) as Float32Array<ArrayBuffer>;
    return evaluated;
  }

  take() {
    const { sampler, banned } = this.#options;
    return { id: sampler.sample(this.#logits, banned), logits: this.#logits };
  }

  async advance(id: number): Promise<void> {
    const logits = await (this.#options.speculation ?? this.#sequence).append(id);
    this.#logits = logits as Float32Array<ArrayBuffer>;
  }

  end(): void {
    this.#options.speculation?.end();
  }
}

/** The device selects the largest logits, and the sampler draws among them. */
class FromTop implements TokenSource {
  readonly #sequence: Sequence;
  readonly #sampler: SamplerChain;
  readonly #want: Want;
  #top: TopLogits | undefined;

  constructor(sequence: Sequence, sampler: SamplerChain, count: number) {
    this.#sequence = sequence;
    this.#sampler = sampler;
    this.#want = { kind: 'top', count: Math.min(count, sequence.model.tokenizer.vocabularySize) };
  }

  async start(promptIds: readonly number[], options: EvaluateOptions): Promise<Evaluated> {
    const evaluated = await this.#sequence.evaluate(promptIds, { ...options, want: this.#want });
    this.#receive(evaluated.result);
    return evaluated;
  }

  take() {
    return { id: this.#sampler.sampleTop(this.#top!, this.#sequence.model.tokenizer.vocabularySize) };
  }

  async advance(id: number): Promise<void> {
    this.#receive(await this.#sequence.advance(id, this.#want));
  }

  end(): void {}

  #receive(result: Result): void {
    if (result.kind !== 'top') throw new TypeError(`Expected the largest logits, got ${result.kind}.`);
    this.#top = result;
  }
}

/** Most time of a step that computes several tokens, so that text still appears smoothly. */
const STEP_MS = 30;

/**
 * The device chooses each id and feeds it back itself. A step computes as many ids as fit in STEP_MS. The first id comes
 * with further large logits if the device selects them, which show whether logits differ at all.
 */
class Greedy implements TokenSource {
  readonly #sequence: Sequence;
  readonly #most: number;
  #left: number; // tokens that may still be needed
  #count = 1; // tokens of the next step
  #ids: number[] = []; // chosen, not taken yet

  constructor(sequence: Sequence, most: number, limit: number) {
    this.#sequence = sequence;
    this.#most = most;
    this.#left = limit;
  }

  async start(promptIds: readonly number[], options: EvaluateOptions): Promise<Evaluated> {
    const { executable, tokenizer } = this.#sequence.model;
    const count = Math.min(LEAST_TO_JUDGE, executable.chooses!.top, tokenizer.vocabularySize);
    const want: Want = count > 0 ? { kind: 'top', count } : { kind: 'greedy', count: 1 };
    const evaluated = await this.#sequence.evaluate(promptIds, { ...options, want });
    const { result } = evaluated;
    this.#receive(result.kind === 'top' ? { kind: 'greedy', ids: result.ids.slice(0, 1) } : result);
    return evaluated;
  }

  take() {
    return { id: this.#ids.shift()! };
  }

  async advance(id: number): Promise<void> {
    if (this.#ids.length > 0) return;
    const start = performance.now();
    const room = this.#sequence.model.contextLength - this.#sequence.tokens.length;
    const count = Math.max(1, Math.min(this.#count, this.#left, room));
    const ids = this.#receive(await this.#sequence.advance(id, { kind: 'greedy', count }));
    const each = (performance.now() - start) / ids;
    this.#count = Math.max(1, Math.min(this.#most, Math.floor(STEP_MS / each)));
  }

  /** Drops the ids of the last step that the answer did not take. */
  end(length: number): void {
    if (length < this.#sequence.tokens.length) this.#sequence.trim(length);
  }

  /** Returns the number of ids in the result. */
  #receive(result: Result): number {
    if (result.kind !== 'greedy') throw new TypeError(`Expected ids, got ${result.kind}.`);
    this.#ids.push(...result.ids);
    this.#left -= result.ids.length;
    return result.ids.length;
  }
}
