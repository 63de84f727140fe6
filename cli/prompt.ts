/** From what the user gave (operands, stdin, files) to the token ids of the prompt. */
import type { TemplateSource } from '../core/chat.ts';
import { ChatTemplate, chatTemplateOf, type Message } from '../core/chat-template.ts';
import type { Model } from '../core/model.ts';
import { UserError } from '../errors.ts';
import type { Call } from './commands.ts';
import { parseIds, readJsonArray, readStdin, readText } from './input.ts';

export type Prompt =
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | { readonly kind: 'raw'; readonly text: string }
  | { readonly kind: 'chat'; readonly messages: readonly Message[]; readonly template?: string };

const WAIT_MS = 2000;

/** Reads everything the prompt is made of. @throws UserError (usage) for an empty one */
export async function readPrompt(call: Call): Promise<Prompt> {
  const { options, operands } = call;
  refuseConflicts(call);
  if (options.promptIds !== undefined) return { kind: 'ids', ids: parseIds(options.promptIds) };
  const given =
    options.messages === undefined ? [] : await readJsonArray<Message>(options.messages, 'messages');
  const text = given.length > 0 && operands.length === 0 ? '' : await promptText(call);
  if (text === '' && given.length === 0) throw emptyPrompt();
  if (options.raw) return { kind: 'raw', text };
  const asked: Message[] = text === '' ? [] : [{ role: 'user', content: text }];
  const template = options.template === undefined ? undefined : await readText(options.template);
  return { kind: 'chat', messages: withSystem([...given, ...asked], call), template };
}

/** Nothing that was given is left out in silence. */
function refuseConflicts({ operands, options, settings }: Call): void {
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
    throw new UserError(`Expected ${flag} or ${other}, got both.`, `${flag} has no place for it.`, {
      kind: 'usage',
    });
  };
  const kept = ['--continue', '--resume'] as const;
  if (promptIds !== undefined)
    refuse('--prompt-ids', ['a prompt', '--messages', '--system', '--raw', ...kept]);
  if (raw) refuse('--raw', ['--messages', '--system', ...kept]);
  if (messages !== undefined) refuse('--messages', kept);
}

/** The operands as an instruction, and below it what is piped in; `-` alone is stdin alone. */
async function promptText(call: Call): Promise<string> {
  const { operands, options } = call;
  const instruction = operands.length === 1 && operands[0] === '-' ? '' : operands.join(' ');
  const content =
    process.stdin.isTTY && operands[0] !== '-' ? '' : await readContent(call, instruction !== '');
  if (options.raw && instruction === '') return content;
  return [instruction, content.replace(/[\r\n]+$/, '')].filter((part) => part !== '').join('\n\n');
}

/** Stdin; says what it waits for when nothing comes, because a pipe that nobody closes looks like a hang. */
async function readContent({ output }: Call, isExtra: boolean): Promise<string> {
  const hint = isExtra ? '; to go without it: percept ... < /dev/null' : '';
  const timer = setTimeout(() => output.note(`Waiting for the end of stdin${hint}.`), WAIT_MS);
  try {
    return await readStdin();
  } finally {
    clearTimeout(timer);
  }
}

/** --system replaces the system message of --messages; one from the settings only stands in for a missing one. */
function withSystem(messages: readonly Message[], { options, settings }: Call): readonly Message[] {
  const { system } = options;
  const hasOwn = messages[0]?.role === 'system';
  if (system === undefined || (hasOwn && settings.get('system')?.origin !== 'flag')) return messages;
  return [{ role: 'system', content: system }, ...(hasOwn ? messages.slice(1) : messages)];
}

/** The ids the model is given. In a chat, the template places the special tokens. */
export async function encodePrompt(prompt: Prompt, model: Model): Promise<readonly number[]> {
  const { tokenizer } = model;
  if (prompt.kind === 'ids') return prompt.ids;
  if (prompt.kind === 'raw') return tokenizer.encode(prompt.text, { special: true, addSpecial: true });
  const { source, bosToken, eosToken } = templateOf(model, { own: prompt.template });
  const template = await ChatTemplate.parse(source);
  const text = template.render({ messages: prompt.messages, bosToken, eosToken });
  return tokenizer.encode(text, { special: true });
}

/** The model's template, or `own` in its place, with the model's names of the first and last token. */
export function templateOf(
  { gguf, tokenizer }: Pick<Model, 'gguf' | 'tokenizer'>,
  { own, withTools }: { own?: string; withTools?: boolean },
): TemplateSource {
  const source = own ?? chatTemplateOf(gguf, withTools);
  if (source === undefined) {
    throw new UserError(
      'Expected a chat template in the model file, but it has none.',
      'Use --raw to send the text as it is, or --template FILE to give a template.',
      { kind: 'usage' },
    );
  }
  const piece = (id: number | undefined) => (id === undefined ? undefined : tokenizer.piece(id));
  return { source, bosToken: piece(tokenizer.bosId), eosToken: piece(tokenizer.eosId) };
}

function emptyPrompt(): UserError {
  return new UserError('Expected a prompt, but it is empty.', 'Run: percept "Why is the sky blue?"', {
    kind: 'usage',
  });
}
