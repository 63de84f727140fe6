/**
 * A model in conversation. It renders messages to prompt ids with the model's template, generates answers on cached
 * sequences, and gives the probabilities of the tokens of an answer.
 */
import { logitsOf } from '../backends/results.ts';
import type { Message } from './chat-template.ts';
import { ChatTemplate } from './chat-template.ts';
import { Logprobs, type TokenLogprob } from './generate/logprobs.ts';
import { type GeneratedToken, type GenerateOptions, type GenerateResult, generate } from './generate.ts';
import type { Sequence, SequenceModel } from './sequence.ts';
import { SequencePool } from './sequence-pool.ts';

/** A chat template, and the texts of the special tokens that it may use. */
export interface TemplateSource {
  readonly source: string; // Jinja
  readonly bosToken?: string;
  readonly eosToken?: string;
}

type SpecialTokens = Omit<TemplateSource, 'source'>;

export type ChatModel = SequenceModel;

/** A prompt and its answer, as text and as ids: encoding the text may give other ids than those that were generated. */
interface Exchange {
  readonly text: string; // special tokens included
  readonly ids: readonly number[];
}

/** Exchanges whose ids are remembered. */
const MOST_EXCHANGES = 64;

/** Rows of logits requested at once. */
const ROWS_AT_ONCE = 32;

export class Chat {
  readonly #model: ChatModel;
  readonly #template: ChatTemplate;
  readonly #specialTokens: SpecialTokens;
  readonly #pool: SequencePool;
  #exchanges: readonly Exchange[] = []; // the latest first

  private constructor(model: ChatModel, template: ChatTemplate, specialTokens: SpecialTokens) {
    this.#model = model;
    this.#template = template;
    this.#specialTokens = specialTokens;
    this.#pool = new SequencePool(model);
  }

  /** Throws UserError for a template with a syntax error. */
  static async open(model: ChatModel, { source, ...specialTokens }: TemplateSource): Promise<Chat> {
    return new Chat(model, await ChatTemplate.parse(source), specialTokens);
  }

  /** The prompt for `messages` as text. Throws UserError if the template rejects them. */
  promptText(messages: readonly Message[], addGenerationPrompt = true): string {
    return this.#template.render({ messages, addGenerationPrompt, ...this.#specialTokens });
  }

  /** The prompt for `messages` as ids. A prefix that was generated here keeps its ids, so that the cache matches. */
  promptIds(messages: readonly Message[], addGenerationPrompt = true): readonly number[] {
    const text = this.promptText(messages, addGenerationPrompt);
    for (const exchange of this.#exchanges) {
      if (!text.startsWith(exchange.text)) continue;
      const ids = this.#extended(exchange, text.slice(exchange.text.length));
      if (ids) return ids;
    }
    return this.#model.tokenizer.encode(text, { special: true });
  }

  /** Generates an answer to the prompt. Throws as `generate` does. */
  async *answer(
    promptIds: readonly number[],
    options: GenerateOptions,
  ): AsyncGenerator<GeneratedToken, GenerateResult> {
    const ids = [...promptIds];
    const tokens = generate(await this.#pool.sequenceFor(promptIds), promptIds, options);
    try {
      for (;;) {
        const next = await tokens.next();
        if (next.done) return next.value;
        ids.push(next.value.id);
        yield next.value;
      }
    } finally {
      await tokens.return(undefined as never);
      this.#remember(ids);
    }
  }

  /**
   * For each of `ids`, its log probability after `promptIds` and the ids before it, and the `top` most probable tokens
   * at its position. Probabilities are those of the model, before any sampler.
   */
  async probabilities(
    promptIds: readonly number[],
    ids: readonly number[],
    top: number,
  ): Promise<TokenLogprobs[]> {
    const sequence = await this.sequence([...promptIds, ...ids]);
    const logprobs = new Logprobs(top);
    const found: TokenLogprobs[] = [];
    const { result } = await sequence.evaluate(promptIds);
    if (ids.length > 0) found.push({ id: ids[0]!, ...logprobs.of(logitsOf(result), ids[0]!) });
    for (let start = 0; start < ids.length - 1; start += ROWS_AT_ONCE) {
      const part = ids.slice(start, Math.min(start + ROWS_AT_ONCE, ids.length - 1));
      const logits = await sequence.append(...part);
      const V = logits.length / part.length;
      for (let row = 0; row < part.length; row++) {
        const id = ids[start + row + 1]!;
        found.push({ id, ...logprobs.of(logits.subarray(row * V, (row + 1) * V), id) });
      }
    }
    return found;
  }

  /** The sequence that caches the longest prefix of `ids`. The caller owns it until the next call of any method. */
  sequence(ids: readonly number[]): Promise<Sequence> {
    return this.#pool.sequenceFor(ids);
  }

  /**
   * The ids of an exchange and of the text after it. Undefined unless a control token is at the border of the two:
   * otherwise a token might span it.
   */
  #extended(exchange: Exchange, rest: string): readonly number[] | undefined {
    const { tokenizer } = this.#model;
    const last = exchange.ids.at(-1)!;
    if (rest === '') return exchange.ids;
    if (tokenizer.isControl(last)) {
      const [first, ...others] = tokenizer.encode(tokenizer.piece(last) + rest, { special: true });
      return first === last ? [...exchange.ids, ...others] : undefined;
    }
    const ids = tokenizer.encode(rest, { special: true });
    return tokenizer.isControl(ids[0]!) ? [...exchange.ids, ...ids] : undefined;
  }

  #remember(ids: readonly number[]): void {
    const text = this.#model.tokenizer.decode(ids, { special: true });
    const others = this.#exchanges.filter((exchange) => exchange.text !== text);
    this.#exchanges = [{ text, ids }, ...others].slice(0, MOST_EXCHANGES);
  }
}

export interface TokenLogprobs {
  readonly id: number;
  readonly logprob: number; // natural logarithm
  readonly top: readonly TokenLogprob[]; // most probable first
}
