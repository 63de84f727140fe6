/** Commands about the model, its backend, and how it is prompted and sampled. */
import { BACKEND_NAMES } from '../../../backends/select.ts';
import { directories } from '../../../core/directories.ts';
import { CATALOGUE } from '../../../core/models/catalogue.ts';
import { listModels } from '../../../core/models/store.ts';
import { parseText } from '../../arguments/option-values.ts';
import {
  camelCase,
  OPTIONS,
  type OptionName,
  type OptionSpec,
  SAMPLING_NAMES,
} from '../../arguments/options.ts';
import { seedOf } from '../../sampling.ts';
import { formatBytes } from '../../sizes.ts';
import { terminalText } from '../../terminal/terminal-text.ts';
import { parametersOf } from '../generation.ts';
import { visible } from '../inspection.ts';
import { messagesOf, systemOf } from '../messages.ts';
import {
  type CommandContext,
  loadedModel,
  print,
  rows,
  type SlashCommand,
  type Suggestion,
  say,
  usage,
} from './slash-command.ts';

export const MODEL: readonly SlashCommand[] = [
  {
    name: 'model',
    args: '[REF]',
    summary: 'list models, or switch to one; it reads the conversation first',
    group: 'Model',
    complete: models,
    run: model,
  },
  {
    name: 'backend',
    args: '[NAME]',
    summary: 'show the backend, or switch to another',
    group: 'Model',
    complete: () => ['auto', ...BACKEND_NAMES].map((value) => ({ value })),
    run: backend,
  },
  {
    name: 'system',
    args: '[TEXT|none]',
    summary: 'show or set the system message',
    group: 'Model',
    complete: () => [{ value: 'none', detail: 'no system message' }],
    run: system,
  },
  {
    name: 'set',
    args: 'NAME [VALUE]',
    summary: 'set a sampling parameter, or reset it to its default',
    group: 'Model',
    anytime: true,
    complete: () => SAMPLING_NAMES.map((name) => ({ value: name, detail: OPTIONS[name].describe })),
    run: set,
  },
  {
    name: 'params',
    summary: 'list the sampling parameters',
    group: 'Model',
    anytime: true,
    run: params,
  },
  {
    name: 'template',
    summary: 'show the prompt that the chat template makes of this conversation',
    group: 'Model',
    anytime: true,
    run(context) {
      const { chat } = loadedModel(context);
      const text = chat.promptText(messagesOf(context.dialogue.branch.path));
      print(
        context,
        terminalText(text)
          .split('\n')
          .map((line) => `  ${line}`),
      );
    },
  },
  {
    name: 'tokens',
    args: '[TEXT]',
    summary: 'show the tokens of a text, or of the last message',
    group: 'Model',
    anytime: true,
    run: tokens,
  },
];

function models(): Suggestion[] {
  const here = listModels(directories()).models.map(({ reference, path, bytes }) => ({
    value: reference ?? path,
    detail: formatBytes(bytes),
  }));
  const known = new Set(here.map(({ value }) => value));
  const others = CATALOGUE.filter(({ alias }) => !known.has(alias));
  return [...here, ...others.map(({ alias }) => ({ value: alias, detail: 'not downloaded' }))];
}

async function model(context: CommandContext, reference: string): Promise<void> {
  const { dialogue, theme } = context;
  if (reference !== '') {
    await dialogue.load(reference, dialogue.options.backend);
    return;
  }
  const current = dialogue.loaded?.reference;
  const mark = (value: string) => (value === current ? theme.accent(theme.glyphs.on) : ' ');
  print(
    context,
    rows(
      context,
      models().map(({ value, detail }) => [`${mark(value)} ${value}`, detail ?? '']),
    ),
  );
  say(context, '/model REF loads one of them, a path, or hf:owner/repo/file.gguf');
}

async function backend(context: CommandContext, name: string): Promise<void> {
  const { dialogue } = context;
  const { reference } = loadedModel(context);
  if (name === '') {
    const facts = dialogue.state.get().model!;
    say(
      context,
      `the backend is ${facts.backend} (${facts.device}); choices are auto, ${BACKEND_NAMES.join(', ')}`,
    );
    return;
  }
  if (await dialogue.load(reference, name)) dialogue.options = { ...dialogue.options, backend: name };
}

function system(context: CommandContext, text: string) {
  const { dialogue } = context;
  const current = systemOf(dialogue.branch.path);
  if (text === '')
    return say(context, current === '' ? 'there is no system message' : `system message: ${current}`);
  dialogue.branch.note('system', text === 'none' ? '' : text);
  say(context, text === 'none' ? 'the system message is removed' : 'the system message is set');
}

function set(context: CommandContext, args: string) {
  const { dialogue } = context;
  const [, word, text] = /^(\S*)\s*(.*)$/s.exec(args.replace('=', ' '))!;
  const name = SAMPLING_NAMES.find((each) => each === word || (OPTIONS[each] as OptionSpec).alias === word);
  if (!name) {
    throw usage(
      `Expected the name of a parameter, got "${word}".`,
      `Parameters are ${SAMPLING_NAMES.join(', ')}.`,
    );
  }
  const options = { ...dialogue.options, [camelCase(name)]: parameterIn(name, text!) };
  if (dialogue.loaded) parametersOf(dialogue.loaded, options); // throws if the value is out of range
  dialogue.options = options;
  say(context, text === '' ? `${name} is reset to its default` : `${name} is ${text}`);
}

function parameterIn(name: OptionName, text: string) {
  return text === '' ? undefined : parseText(OPTIONS[name], text, `/set ${name}`);
}

function params(context: CommandContext) {
  const loaded = loadedModel(context);
  const { options } = context.dialogue;
  const { logitBias, samplers, dryBreakers, seed, ...numbers } = parametersOf(loaded, options);
  print(
    context,
    rows(context, [
      ...Object.entries(numbers).map(([name, value]) => [dashed(name), `${value}`] as const),
      ['dry-breakers', dryBreakers.map((text) => JSON.stringify(text)).join(' ')],
      ['samplers', samplers.join(', ')],
      ['logit-bias', logitBias.size === 0 ? 'none' : `for ${logitBias.size} tokens`],
      ['max-tokens', options.maxTokens === undefined ? 'as many as fit the context' : `${options.maxTokens}`],
      ['seed', seedOf(options) === undefined ? 'a new one for each answer' : `${seed}`],
    ]),
  );
  say(context, '/set NAME VALUE changes one of them');
}

/** topK as top-k, the name of its option. */
function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function tokens(context: CommandContext, text: string) {
  const { model } = loadedModel(context);
  const { dialogue, theme } = context;
  const source = text === '' ? dialogue.branch.path.at(-1)?.content : text;
  if (source === undefined) throw usage('There is no text to split into tokens.', 'Type: /tokens TEXT');
  const ids = model.tokenizer.encode(source);
  const shown = ids.map((id) => {
    const piece = new TextDecoder().decode(model.tokenizer.tokenBytes(id, { special: true }));
    return `${theme.code(visible(terminalText(piece), theme))}${theme.dim(`:${id}`)}`;
  });
  print(context, [shown.join(' ')]);
  say(context, ids.length === 1 ? '1 token' : `${ids.length} tokens`);
}
