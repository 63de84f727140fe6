/**
 * A model in conversation: messages to the ids of a prompt by the model's template, answers on a cache that reuses
 * whatever it holds, and what the model thought of each token of an answer.
 */
import type { Message } from './chat-template.ts';
import { ChatTemplate } from './chat-template.ts';
import { Logprobs, type TokenLogprob } from './generate/logprobs.ts';
import { type GeneratedToken, type GenerateOptions, type GenerateResult, generate } from './generate.ts';
import type { Model } from './model.ts';
import { SequencePool } from './sequence-pool.ts';
import type { Session } from './session.ts';

/** How messages become text. */
export interface TemplateSource {
  readonly source: string; // Jinja
  readonly bosToken?: string;
  readonly eosToken?: string;
}

type Names = Omit<TemplateSource, 'source'>;

export type ChatModel = Pick<Model, 'executable' | 'tokenizer' | 'contextLength' | 'sequences' | 'maxTokens'>;

/** What was said, as text and as the very ids: text taken apart again may give others. */
interface Said {
  readonly text: string; // special tokens included
  readonly ids: readonly number[];
}

/** Answers whose ids are remembered. */
const MOST_SAID = 64;

/** Rows of logits asked for at once. */
const ROWS_PER_STEP = 32;

export class Chat {
  readonly #model: ChatModel;
  readonly #template: ChatTemplate;
  readonly #names: Names;
  readonly #pool: SequencePool;
  #said: readonly Said[] = []; // the latest first

  private constructor(model: ChatModel, template: ChatTemplate, names: Names) {
    this.#model = model;
    this.#template = template;
    this.#names = names;
    this.#pool = new SequencePool(model);
  }

  /** Throws UserError for a template with a syntax error. */
  static async open(model: ChatModel, { source, ...names }: TemplateSource): Promise<Chat> {
    return new Chat(model, await ChatTemplate.parse(source), names);
  }

  /** The text the model is given for `messages`. Throws UserError where the template refuses them. */
  promptText(messages: readonly Message[], addGenerationPrompt = true): string {
    return this.#template.render({ messages, addGenerationPrompt, ...this.#names });
  }

  /** The ids of that text; where it goes on an answer given here, the ids of the answer are kept as they were. */
  promptIds(messages: readonly Message[], addGenerationPrompt = true): readonly number[] {
    const text = this.promptText(messages, addGenerationPrompt);
    for (const said of this.#said) {
      if (!text.startsWith(said.text)) continue;
      const ids = this.#goOn(said, text.slice(said.text.length));
      if (ids) return ids;
    }
    return this.#model.tokenizer.encode(text, { special: true });
  }

  /** Answers the prompt. Throws as `generate` does. */
  async *answer(
    promptIds: readonly number[],
    options: GenerateOptions,
  ): AsyncGenerator<GeneratedToken, GenerateResult> {
    const ids = [...promptIds];
    const tokens = generate(this.#pool.sessionFor(promptIds), promptIds, options);
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
   * For each of `ids` its log probability after `promptIds` and the ones before it, and the `top` most probable tokens
   * there: under the model itself, before any sampler.
   */
  async probabilities(
    promptIds: readonly number[],
    ids: readonly number[],
    top: number,
  ): Promise<TokenLogprobs[]> {
    const session = this.session([...promptIds, ...ids]);
    const logprobs = new Logprobs(top);
    const found: TokenLogprobs[] = [];
    const { logits } = await session.evaluate(promptIds);
    if (ids.length > 0) found.push({ id: ids[0]!, ...logprobs.of(logits, ids[0]!) });
    const rows = Math.min(ROWS_PER_STEP, this.#model.maxTokens);
    for (let start = 0; start < ids.length - 1; start += rows) {
      const part = ids.slice(start, Math.min(start + rows, ids.length - 1));
      const logits = await session.append(...part);
      const V = logits.length / part.length;
      for (let row = 0; row < part.length; row++) {
        const id = ids[start + row + 1]!;
        found.push({ id, ...logprobs.of(logits.subarray(row * V, (row + 1) * V), id) });
      }
    }
    return found;
  }

  /** The session that holds the most of `ids`, until the next call of anything here. */
  session(ids: readonly number[]): Session {
    return this.#pool.sessionFor(ids);
  }

  /**
   * `said` and the ids of what follows it; undefined where the border between the two may not be one between tokens:
   * it is where a control token stands on one side of it.
   */
  #goOn(said: Said, rest: string): readonly number[] | undefined {
    const { tokenizer } = this.#model;
    const last = said.ids.at(-1)!;
    if (rest === '') return said.ids;
    if (tokenizer.isControl(last)) {
      const [first, ...others] = tokenizer.encode(tokenizer.piece(last) + rest, { special: true });
      return first === last ? [...said.ids, ...others] : undefined;
    }
    const ids = tokenizer.encode(rest, { special: true });
    return tokenizer.isControl(ids[0]!) ? [...said.ids, ...ids] : undefined;
  }

  #remember(ids: readonly number[]): void {
    const text = this.#model.tokenizer.decode(ids, { special: true });
    const others = this.#said.filter((said) => said.text !== text);
    this.#said = [{ text, ids }, ...others].slice(0, MOST_SAID);
  }
}

export interface TokenLogprobs {
  readonly id: number;
  readonly logprob: number; // natural logarithm
  readonly top: readonly TokenLogprob[]; // most probable first
}
