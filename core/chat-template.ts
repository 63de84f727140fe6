import { UserError } from '../errors.ts';
import { strftime } from './chat-template/strftime.ts';
import type { Gguf } from './gguf/index.ts';
import { optionalString } from './gguf/metadata.ts';

/** A part of a message, as other programs write them. Only text can be read here. */
export interface Part {
  readonly type: string;
  readonly text?: string;
}

/** A message of a conversation; templates may read further fields, such as tool_calls. */
export interface Message {
  readonly role: string;
  readonly content: string | readonly Part[] | null; // null is no text
  readonly [extra: string]: unknown;
}

export interface RenderOptions {
  readonly messages: readonly Message[];
  readonly system?: string; // message in front of those that begin with none; may be empty
  readonly addGenerationPrompt?: boolean; // default true
  readonly tools?: readonly unknown[]; // function descriptions in JSON Schema
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly now?: Date; // for strftime_now; default: the clock
  readonly extra?: Readonly<Record<string, unknown>>; // variables of one template, such as enable_thinking
}

const OTHER_TEMPLATE =
  'Give a template that works with --template FILE, or use --raw to send the text without one.';

/** A template that reads the parts of a message by itself names the text of a part. */
const READS_PARTS = /\.text\b|\[\s*['"]text['"]\s*\]/;

type Interpreter = typeof import('./chat-template/interpreter.ts');
type Program = import('./chat-template/syntax.ts').Block;
type Rendered = import('./chat-template/interpreter.ts').Rendered;

/** A Jinja template that renders messages as the text of a prompt, with the semantics of transformers. */
export class ChatTemplate {
  readonly source: string;
  readonly #interpreter: Interpreter;
  readonly #program: Program;
  readonly #readsParts: boolean;

  private constructor(source: string, interpreter: Interpreter, program: Program) {
    this.source = source;
    this.#interpreter = interpreter;
    this.#program = program;
    this.#readsParts = READS_PARTS.test(source);
  }

  /** Asynchronous because the interpreter is loaded on first use. Throws UserError for a syntax error. */
  static async parse(source: string): Promise<ChatTemplate> {
    const interpreter = await import('./chat-template/interpreter.ts');
    const { parseTemplate } = await import('./chat-template/parser.ts');
    try {
      return new ChatTemplate(source, interpreter, parseTemplate(source));
    } catch (cause) {
      throw new UserError(`The chat template is not valid Jinja: ${reason(cause)}.`, OTHER_TEMPLATE, {
        cause,
      });
    }
  }

  /** The prompt as text. Throws as `prompt` does. */
  render(options: RenderOptions): string {
    return this.prompt(options).text;
  }

  /**
   * The prompt, and which of its parts the template wrote. `tokenizer.encode(text, { special: markup })` takes special
   * tokens there only, so that no message can end its turn. Throws UserError for malformed messages, and if the template
   * refuses them or fails.
   */
  prompt(options: RenderOptions): Rendered {
    const {
      messages: given,
      system,
      addGenerationPrompt = true,
      tools,
      bosToken,
      eosToken,
      now = new Date(),
      extra,
    } = options;
    checkMessages(given);
    const has = system === undefined || given[0]?.role === 'system';
    const messages = has ? given : [{ role: 'system', content: system }, ...given];
    const run = (nullIsText: boolean) =>
      this.#interpreter.runTemplate(this.#program, {
        markup: { bos_token: bosToken, eos_token: eosToken },
        input: {
          ...extra,
          messages: messages.map((message) => ({
            ...message,
            ...contentOf(message, this.#readsParts, nullIsText),
          })),
          tools: tools ?? null, // null rather than undefined, as in transformers
          documents: extra?.documents ?? null,
          add_generation_prompt: addGenerationPrompt,
        },
        strftime: (format) => strftime(now, format),
      });
    const hasNull = messages.some(({ content }) => content === null);
    try {
      return hasNull ? this.#withNull(run) : run(false);
    } catch (cause) {
      const isRefusal = cause instanceof this.#interpreter.Raised;
      const what = isRefusal ? 'refuses the messages' : 'fails';
      throw new UserError(`The chat template ${what}: ${reason(cause)}.`, OTHER_TEMPLATE, { cause });
    }
  }

  /** Some templates take null for text: for them it is the empty one. */
  #withNull(run: (nullIsText: boolean) => Rendered): Rendered {
    try {
      return run(false);
    } catch (error) {
      if (error instanceof this.#interpreter.Raised) throw error;
      return run(true);
    }
  }
}

/**
 * The chat template in a model file, if any; with `withTools`, the template for tools if there is one. Throws UserError
 * if it is not a string.
 */
export function chatTemplateOf(gguf: Gguf, withTools = false): string | undefined {
  const named = (name: string) => optionalString(gguf.metadata, `tokenizer.chat_template${name}`);
  return (withTools ? named('.tool_use') : undefined) ?? named('') ?? named('.default');
}

function checkMessages(messages: unknown): void {
  const hint = 'Messages look like this: [{"role": "user", "content": "Hi"}].';
  if (!Array.isArray(messages)) {
    throw new UserError(`Expected an array of messages, got ${inWords(messages)}.`, hint);
  }
  for (const [i, message] of messages.entries()) {
    const where = `message ${i + 1} of ${messages.length}`;
    if (inWords(message) !== 'an object') {
      throw new UserError(`Expected an object as ${where}, got ${inWords(message)}.`, hint);
    }
    if (typeof message.role !== 'string') {
      throw new UserError(`Expected a string as the role of ${where}, got ${inWords(message.role)}.`, hint);
    }
    checkContent(message.content, where, hint);
  }
}

function checkContent(content: unknown, where: string, hint: string): void {
  if (typeof content === 'string' || content === null || content === undefined) return;
  if (!Array.isArray(content)) {
    throw new UserError(`Expected a string as the content of ${where}, got ${inWords(content)}.`, hint);
  }
  for (const part of content) {
    if (part?.type === 'text' && typeof part.text === 'string') continue;
    const kind = typeof part?.type === 'string' ? `of type "${part.type.slice(0, 40)}"` : 'without a type';
    throw new UserError(
      part?.type === 'text'
        ? `A text part of ${where} has no text.`
        : `A part ${kind} is in ${where}: percept reads text only, no images, sound or files.`,
      'Leave the part out, or describe it in words. A text part looks like this: {"type": "text", "text": "Hi"}.',
    );
  }
}

/** Text parts are joined, unless the template does it. */
function contentOf(
  { content }: Message,
  readsParts: boolean,
  nullIsText: boolean,
): Partial<Pick<Message, 'content'>> {
  if (content === undefined) return {};
  if (content === null) return { content: nullIsText ? '' : null };
  return Array.isArray(content) && !readsParts
    ? { content: content.map(({ text }) => text).join('') }
    : { content };
}

function inWords(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `the ${typeof value} ${JSON.stringify(value)}`;
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
