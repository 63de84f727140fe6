/** Makes the prompt from operands, stdin and files, and converts it to token ids. */
import type { TemplateSource } from '../core/chat.ts';
import { ChatTemplate, chatTemplateOf, type Message } from '../core/chat-template.ts';
import type { Model } from '../core/model.ts';
import { UserError } from '../errors.ts';
import type { Call, Context } from './command.ts';
import { parseIds, readJsonArray, readStdin, readText } from './input.ts';
import type { Output } from './output.ts';

export type Prompt =
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | { readonly kind: 'raw'; readonly text: string }
  | {
      readonly kind: 'chat';
      readonly messages: readonly Message[];
      readonly template?: string;
      readonly parseSpecial?: boolean;
    };

const WAIT_MS = 2000;

/** The part of a call that makes a prompt. */
type Asked = Pick<Call, 'operands' | 'options' | 'settings'>;

/** Reads all parts of the prompt. @throws UserError (usage) if it is empty, or if two flags exclude each other */
export async function readPrompt(asked: Asked, { output }: Pick<Context, 'output'>): Promise<Prompt> {
  const { options, operands } = asked;
  refuseConflicts(asked);
  if (options.promptIds !== undefined) return { kind: 'ids', ids: parseIds(options.promptIds) };
  const given =
    options.messages === undefined ? [] : await readJsonArray<Message>(options.messages, 'messages');
  const text = given.length > 0 && operands.length === 0 ? '' : await promptText(asked, output);
  if (text === '' && given.length === 0) throw emptyPrompt();
  if (options.raw) return { kind: 'raw', text };
  const typed: Message[] = text === '' ? [] : [{ role: 'user', content: text }];
  const template = options.template === undefined ? undefined : await readText(options.template);
  const messages = withSystem([...given, ...typed], asked);
  return { kind: 'chat', messages, template, parseSpecial: options.parseSpecial };
}

/** No part of the input is ignored silently. */
function refuseConflicts({ operands, options, settings }: Asked): void {
  const { promptIds, messages, raw } = options;
  const given = {
    'a prompt': operands.length > 0,
    '--continue': options.continue === true,
    '--resume': options.resume !== undefined,
    '--messages': messages !== undefined,
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
  const kept = ['--continue', '--resume'] as const;
  if (promptIds !== undefined)
    refuse('--prompt-ids', ['a prompt', '--messages', '--system', '--raw', ...kept]);
  if (raw) refuse('--raw', ['--messages', '--system', ...kept]);
  if (messages !== undefined) refuse('--messages', kept);
}

/** The operands as an instruction, then the piped text. `-` alone is stdin alone. */
async function promptText({ operands, options }: Asked, output: Output): Promise<string> {
  const instruction = operands.length === 1 && operands[0] === '-' ? '' : operands.join(' ');
  const content =
    process.stdin.isTTY && operands[0] !== '-' ? '' : await readContent(output, instruction !== '');
  if (options.raw && instruction === '') return content;
  return [instruction, content.replace(/[\r\n]+$/, '')].filter((part) => part !== '').join('\n\n');
}

/** Reads stdin. After a while it says that it waits, because an open pipe looks like a hang. */
async function readContent(output: Output, isExtra: boolean): Promise<string> {
  const hint = isExtra ? '; to go without it: percept ... < /dev/null' : '';
  const timer = setTimeout(() => output.note(`Waiting for the end of stdin${hint}.`), WAIT_MS);
  try {
    return await readStdin();
  } finally {
    clearTimeout(timer);
  }
}

/** --system replaces the system message of --messages. A system message from the settings does not. */
function withSystem(messages: readonly Message[], { options, settings }: Asked): readonly Message[] {
  const { system } = options;
  const hasOwn = messages[0]?.role === 'system';
  if (system === undefined || (hasOwn && settings.get('system')?.origin !== 'flag')) return messages;
  return [{ role: 'system', content: system }, ...(hasOwn ? messages.slice(1) : messages)];
}

/** The token ids for the model. In a chat the template places the special tokens; those in messages are text. */
export async function encodePrompt(prompt: Prompt, model: Model): Promise<readonly number[]> {
  const { tokenizer } = model;
  if (prompt.kind === 'ids') return prompt.ids;
  if (prompt.kind === 'raw') return tokenizer.encode(prompt.text, { special: true, addSpecial: true });
  const { source, bosToken, eosToken } = templateOf(model, { own: prompt.template });
  const template = await ChatTemplate.parse(source);
  const { text, markup } = template.prompt({ messages: prompt.messages, bosToken, eosToken });
  return tokenizer.encode(text, { special: prompt.parseSpecial ? true : markup });
}

/** The model's template, or `own` instead, with the texts of the model's bos and eos tokens. */
export function templateOf(
  { gguf, tokenizer }: Pick<Model, 'gguf' | 'tokenizer'>,
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
  return { source, bosToken: piece(tokenizer.bosId), eosToken: piece(tokenizer.eosId) };
}

function emptyPrompt(): UserError {
  return new UserError('The prompt is empty.', 'Run: percept "Why is the sky blue?"', {
    kind: 'usage',
  });
}
