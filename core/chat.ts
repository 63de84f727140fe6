/**
 * A model in conversation. It renders messages to prompt ids with the model's template, generates answers on cached
 * sequences, and gives the probabilities of the tokens of an answer.
 */
import { logitsOf } from '../backends/results.ts';
import type { Message } from './chat-template.ts';
import { ChatTemplate } from './chat-template.ts';
import { Logprobs, type TokenLogprob } from './generate/logprobs.ts';
import { type GeneratedToken, type GenerateOptions, type GenerateResult, generate } from './generate.ts';
import type { EvaluateOptions, Sequence, SequenceModel } from './sequence.ts';
import { SequencePool, type StoredPrompts } from './sequence-pool.ts';
import { covers, cutSpans, type Spans } from './tokenizer/spans.ts';
import { StreamingDecoder } from './tokenizer/streaming-decoder.ts';

/** A chat template, and the texts of the special tokens that it may use. */
export interface TemplateSource {
  readonly source: string; // Jinja
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly system?: string; // as in RenderOptions
  /** Texts of special tokens in messages stand for the tokens; by default they are text. */
  readonly parseSpecial?: boolean;
}

/** What a chat may have besides its template. */
export interface ChatOptions {
  readonly storedPrompts?: () => Promise<StoredPrompts>;
}

type Settings = Omit<TemplateSource, 'source'>;

export type ChatModel = SequenceModel;

/** A prompt and its answer, as text and as ids: encoding the text may give other ids than those that were generated. */
interface Exchange {
  readonly text: string; // special tokens included
  readonly ids: readonly number[];
  readonly controls: Spans; // where its control tokens are in the text
}

/** Exchanges whose ids are remembered. */
const MOST_EXCHANGES = 64;

/** Rows of logits requested at once. */
const ROWS_AT_ONCE = 32;

export class Chat {
  readonly #model: ChatModel;
  readonly #template: ChatTemplate;
  readonly #settings: Settings;
  readonly #pool: SequencePool;
  #exchanges: readonly Exchange[] = []; // the latest first

  private constructor(model: ChatModel, template: ChatTemplate, settings: Settings, options: ChatOptions) {
    this.#model = model;
    this.#template = template;
    this.#settings = settings;
    this.#pool = new SequencePool(model, options.storedPrompts);
  }

  /** Throws UserError for a template with a syntax error. */
  static async open(
    model: ChatModel,
    { source, ...settings }: TemplateSource,
    options: ChatOptions = {},
  ): Promise<Chat> {
    return new Chat(model, await ChatTemplate.parse(source), settings, options);
  }

  /** Stores the states of the branch that was used last, so that the next process continues `session` at once. */
  async store(session: string): Promise<void> {
    await this.#pool.store(session);
  }

  /** The prompt for `messages` as text. Throws UserError if the template rejects them. */
  promptText(messages: readonly Message[], addGenerationPrompt = true): string {
    return this.#prompt(messages, addGenerationPrompt).text;
  }

  /** The prompt for `messages` as ids. A prefix that was generated here keeps its ids, so that the cache matches. */
  promptIds(messages: readonly Message[], addGenerationPrompt = true): readonly number[] {
    const prompt = this.#prompt(messages, addGenerationPrompt);
    for (const exchange of this.#exchanges) {
      if (!startsWith(prompt, exchange)) continue;
      const ids = this.#extended(exchange, prompt);
      if (ids) return ids;
    }
    return this.#model.tokenizer.encode(prompt.text, { special: prompt.markup });
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
    options: Pick<EvaluateOptions, 'signal' | 'onProgress'> = {},
  ): Promise<TokenLogprobs[]> {
    const sequence = await this.sequence([...promptIds, ...ids]);
    const logprobs = new Logprobs(top);
    const found: TokenLogprobs[] = [];
    const { result } = await sequence.evaluate(promptIds, options);
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

  #prompt(messages: readonly Message[], addGenerationPrompt: boolean): Prompt {
    const { parseSpecial, ...given } = this.#settings;
    const prompt = this.#template.prompt({ messages, addGenerationPrompt, ...given });
    return parseSpecial ? { text: prompt.text, markup: [0, prompt.text.length] } : prompt;
  }

  /**
   * The ids of an exchange and of the prompt after it. Undefined unless a control token is at the border of the two:
   * otherwise a token might span it.
   */
  #extended(exchange: Exchange, { text, markup }: Prompt): readonly number[] | undefined {
    const { tokenizer } = this.#model;
    const last = exchange.ids.at(-1)!;
    const { length } = exchange.text;
    if (text.length === length) return exchange.ids;
    const encoded = (start: number) =>
      tokenizer.encode(text.slice(start), { special: cutSpans(markup, start, text.length) });
    if (tokenizer.isControl(last)) {
      const [first, ...others] = encoded(length - tokenizer.piece(last).length);
      return first === last ? [...exchange.ids, ...others] : undefined;
    }
    const ids = encoded(length);
    return tokenizer.isControl(ids[0]!) ? [...exchange.ids, ...ids] : undefined;
  }

  /** An exchange that holds the text of a special token as text is ambiguous, so that it is not remembered. */
  #remember(ids: readonly number[]): void {
    const { tokenizer } = this.#model;
    const decoder = new StreamingDecoder(tokenizer, { special: true });
    const controls: number[] = [];
    let text = '';
    for (const id of ids) {
      text += decoder.push(id);
      if (tokenizer.isControl(id)) controls.push(text.length - tokenizer.piece(id).length, text.length);
    }
    text += decoder.end();
    const isPlain = tokenizer.countControls(text) === controls.length / 2;
    const others = this.#exchanges.filter((exchange) => exchange.text !== text);
    this.#exchanges = [...(isPlain ? [{ text, ids, controls }] : []), ...others].slice(0, MOST_EXCHANGES);
  }
}

type Prompt = ReturnType<ChatTemplate['prompt']>;

/** Whether a prompt begins with an exchange: the same text, and special tokens where it has control tokens. */
function startsWith({ text, markup }: Prompt, exchange: Exchange): boolean {
  const { controls } = exchange;
  if (!text.startsWith(exchange.text)) return false;
  for (let at = 0; at < controls.length; at += 2) {
    if (!covers(markup, controls[at]!, controls[at + 1]!)) return false;
  }
  return true;
}

export interface TokenLogprobs {
  readonly id: number;
  readonly logprob: number; // natural logarithm
  readonly top: readonly TokenLogprob[]; // most probable first
}
