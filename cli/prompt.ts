/** Makes the prompt from operands, stdin and files, and converts it to token ids. */
import type { TemplateSource } from '../core/chat.ts';
import { ChatTemplate, chatTemplateOf, type Message, type Part } from '../core/chat-template.ts';
import { fittingMessages } from '../core/context-window.ts';
import type { Model } from '../core/model.ts';
import { UserError } from '../errors.ts';
import type { Options } from './arguments/options.ts';
import type { Call, Context } from './command.ts';
import { parseIds, readJsonArray, readStdinFor, readText } from './input.ts';
import type { Output } from './output.ts';
import type { StdinRequest } from './stdin.ts';

const LONG = 16; // characters a token; text has 3 to 5
const LONGEST = 1 << 21; // characters; half of what a template may make
const PIECE = 1 << 16; // characters that are tokenized at once
const CUT = 2; // tokens that a cut between two pieces may add

export type Prompt =
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | { readonly kind: 'raw'; readonly text: string }
  | {
      readonly kind: 'chat';
      readonly messages: readonly Message[];
      /** The caller gave the whole conversation: no default system message is added. */
      readonly exact?: boolean;
      /** The messages before the last one are a stored conversation: the oldest leave if all do not fit. */
      readonly continues?: boolean;
      readonly template?: string;
      readonly parseSpecial?: boolean;
    };

/** The part of a call that makes a prompt. */
type Asked = Pick<Call, 'operands' | 'options' | 'settings'>;

/** Reads all parts of the prompt. @throws UserError (usage) if it is empty, or if two flags exclude each other */
export async function readPrompt(asked: Asked, { output }: Pick<Context, 'output'>): Promise<Prompt> {
  const { options, operands } = asked;
  refuseConflicts(asked);
  if (options.promptIds !== undefined) return { kind: 'ids', ids: parseIds(options.promptIds) };
  const given =
    options.messages === undefined ? [] : await readJsonArray<Message>(options.messages, 'messages');
  const isGiven = given.length > 0 && operands.length === 0 && !options.file;
  const text = isGiven ? '' : await promptText(asked, output);
  const isBlank = options.raw ? text === '' : text.trim() === '';
  if (isBlank && given.length === 0) throw emptyPrompt();
  if (options.raw) return { kind: 'raw', text };
  const typed: Message[] = text === '' ? [] : [{ role: 'user', content: text }];
  const template = options.template === undefined ? undefined : await readText(options.template);
  const messages = withSystem([...given, ...typed], asked);
  return { kind: 'chat', messages, exact: given.length > 0, template, parseSpecial: options.parseSpecial };
}

/** No part of the input is ignored silently. */
function refuseConflicts({ operands, options, settings }: Asked): void {
  const { promptIds, messages, raw, file } = options;
  const given = {
    'a prompt': operands.length > 0,
    '--continue': options.continue === true,
    '--resume': options.resume !== undefined,
    '--messages': messages !== undefined,
    '--file': file !== undefined,
    '--system': settings.get('system')?.origin === 'flag',
    '--raw': raw === true,
  };
  const refuse = (flag: string, others: readonly (keyof typeof given)[]) => {
    const other = others.find((name) => given[name]);
    if (!other) return;
    throw new UserError(`${flag} cannot be combined with ${other}.`, 'Leave one of them out.', {
      kind: 'usage',
    });
  };
  const stored = ['--continue', '--resume'] as const;
  if (promptIds !== undefined)
    refuse('--prompt-ids', ['a prompt', '--messages', '--file', '--system', '--raw', ...stored]);
  if (raw) refuse('--raw', ['--messages', '--file', '--system', ...stored]);
  if (messages !== undefined) refuse('--messages', stored);
}

/** The operands as an instruction, then the piped text, then files. A `-` at the start or the end says that stdin is meant. */
async function promptText(asked: Asked, output: Output): Promise<string> {
  const { operands, options } = asked;
  const words = operands.filter((word, i) => word !== '-' || (i > 0 && i < operands.length - 1));
  const instruction = words.join(' ');
  const wanted = wantedStdin(asked, words.length < operands.length);
  const files = options.file ? await fileTexts(options, output) : [];
  const hasPrompt = instruction !== '' || files.length > 0;
  const content = await readStdinFor({ wanted, hasPrompt }, output);
  if (options.raw && instruction === '') return content;
  const parts = [instruction, content.replace(/[\r\n]+$/, ''), ...files];
  return parts.filter((part) => part !== '').join('\n\n');
}

async function fileTexts(options: Options, output: Output): Promise<readonly string[]> {
  const { attachmentWords } = await import('./attachments/attached-files.ts');
  const { readFiles } = await import('./attachments/file-option.ts');
  const { texts, attachments } = await readFiles(options);
  for (const attachment of attachments)
    if (attachment.folder) output.note(`attached ${attachmentWords(attachment)}`);
  return texts;
}

/** Whether stdin is read, as far as the arguments say so. */
function wantedStdin({ options, settings }: Asked, hasDash: boolean): StdinRequest['wanted'] {
  if (hasDash && options.noStdin && settings.get('no-stdin')?.origin === 'flag') {
    throw new UserError('- reads stdin, and --no-stdin does not.', 'Leave one of them out.', {
      kind: 'usage',
    });
  }
  if (hasDash) return 'always';
  const isFile = [options.messages, options.template, ...(options.file ?? [])].includes('-');
  return isFile || options.noStdin ? 'never' : 'if there';
}

/** --system replaces the system message of --messages. A system message from the settings does not. */
function withSystem(messages: readonly Message[], { options, settings }: Asked): readonly Message[] {
  const { system } = options;
  const hasOwn = messages[0]?.role === 'system';
  if (system === undefined || (hasOwn && settings.get('system')?.origin !== 'flag')) return messages;
  return [{ role: 'system', content: system }, ...(hasOwn ? messages.slice(1) : messages)];
}

/** The token ids for the model. In a chat the template places the special tokens; those in messages are text. */
export async function encodePrompt(
  prompt: Prompt,
  model: Model,
  { output, maxTokens }: { output: Output; maxTokens?: number },
): Promise<readonly number[]> {
  const { tokenizer, contextLength } = model;
  if (prompt.kind === 'ids') return prompt.ids;
  if (tokenizer.model === 'none') tokenizer.encode(''); // refuses in words
  if (prompt.kind === 'raw') {
    requireRoom([prompt.text], model);
    return tokenizer.encode(prompt.text, { special: true, addSpecial: true });
  }
  const { messages, exact, continues, parseSpecial, template: own } = prompt;
  requireRoom(
    (continues ? messages.slice(-1) : messages).map((message) => message?.content),
    model,
  );
  const { source, system, ...tokens } = templateOf(model, { own });
  const template = await ChatTemplate.parse(source);
  const encode = (messages: readonly Message[]) => {
    const { text, markup } = template.prompt({ messages, system: exact ? undefined : system, ...tokens });
    return tokenizer.encode(text, { special: parseSpecial ? true : markup });
  };
  if (!continues) return encode(messages);
  const { ids, left } = fittingMessages(messages, encode, { contextLength, maxTokens });
  if (left > 0)
    output.note(`The conversation is longer than the context: its oldest ${left} messages are left out.`);
  return ids;
}

/**
 * Refuses a text far too long for the context before a template copies it, and before all of it is tokenized. A text near
 * the limit passes: later its tokens are counted exactly.
 */
function requireRoom(contents: readonly unknown[], { tokenizer, contextLength }: Model): void {
  const inParts = (parts: readonly (Partial<Part> | null)[]) => parts.map((part) => part?.text);
  const texts = contents
    .flatMap((content) => (Array.isArray(content) ? inParts(content) : [content]))
    .filter((text) => typeof text === 'string');
  const characters = texts.reduce((sum, { length }) => sum + length, 0);
  if (characters <= Math.min(LONG * contextLength, LONGEST)) return;
  let tokens = 0;
  for (const text of texts) {
    for (let at = 0; at < text.length; at += PIECE) {
      tokens += tokenizer.encode(text.slice(at, at + PIECE)).length - CUT;
      if (tokens > contextLength) throw tooLong(characters, contextLength);
    }
  }
}

function tooLong(characters: number, contextLength: number): UserError {
  return new UserError(
    `The prompt of ${characters} characters does not fit: it has more tokens than the ${contextLength} of the context.`,
    'Give a shorter prompt, or a larger context (--ctx) if the model has one.',
    { kind: 'context' },
  );
}

/** The model's template, or `own` instead, with the texts of the model's bos and eos tokens. */
export function templateOf(
  { gguf, tokenizer, defaults }: Pick<Model, 'gguf' | 'tokenizer'> & Partial<Pick<Model, 'defaults'>>,
  { own, withTools }: { own?: string; withTools?: boolean },
): TemplateSource {
  const source = own ?? chatTemplateOf(gguf, withTools);
  if (source === undefined) {
    throw new UserError(
      'The model file has no chat template.',
      'Use --raw to send the text unchanged, or --template FILE to give a template.',
      { kind: 'usage' },
    );
  }
  const piece = (id: number | undefined) => (id === undefined ? undefined : tokenizer.piece(id));
  const system = own === undefined ? defaults?.system : undefined;
  return { source, bosToken: piece(tokenizer.bosId), eosToken: piece(tokenizer.eosId), system };
}

function emptyPrompt(): UserError {
  return new UserError('The prompt is empty.', 'Run: percept "Why is the sky blue?"', {
    kind: 'usage',
  });
}
