/** Commands about the model, its backend, and how it is prompted and sampled. */
import { BACKEND_NAMES } from '../../../backends/select.ts';
import { directories } from '../../../core/directories.ts';
import { adapterChoice } from '../../../core/lora/choice.ts';
import { CATALOGUE } from '../../../core/models/catalogue.ts';
import { listModels } from '../../../core/models/store.ts';
import { nearest } from '../../../core/near-miss.ts';
import { parseText } from '../../arguments/option-values.ts';
import {
  camelCase,
  OPTIONS,
  type OptionName,
  type OptionSpec,
  SAMPLING_NAMES,
} from '../../arguments/options.ts';
import { locationOf } from '../../attachments/named-file.ts';
import { entriesOf, isFolder } from '../../folder-entries.ts';
import { samplingInWords } from '../../sampling.ts';
import { modelName } from '../../sessions/message-words.ts';
import { formatBytes } from '../../sizes.ts';
import { terminalText } from '../../terminal/terminal-text.ts';
import type { ChoiceList } from '../choices.ts';
import type { Dialogue } from '../dialogue.ts';
import { parametersOf } from '../generation.ts';
import { messagesOf, systemPartsOf } from '../messages.ts';
import { tokenTexts, visible } from '../token-text.ts';
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
    summary: 'choose a model, or switch to REF',
    details: 'The model reads the conversation first.',
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
    name: 'lora',
    args: '[FILE[=N]|off]',
    summary: 'show, add or take off adapters',
    details: 'N is a factor; off FILE takes off one. The model reads the conversation again.',
    group: 'Model',
    complete: adapters,
    many: true,
    run: lora,
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
    summary: 'set a sampling parameter, or ctx',
    details: 'Without VALUE it gets its default.',
    group: 'Model',
    anytime: true,
    complete: settings,
    many: true,
    run: set,
  },
  {
    name: 'params',
    summary: 'list what /set changes',
    group: 'Model',
    anytime: true,
    run: params,
  },
  {
    name: 'template',
    summary: 'the prompt that the chat template makes',
    group: 'Model',
    anytime: true,
    run(context) {
      const { chat } = loadedModel(context);
      const { branch, firstQuestion } = context.dialogue;
      const text = chat.promptText(messagesOf(branch.path, firstQuestion));
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
    summary: 'the tokens of a text, or of the last message',
    group: 'Model',
    anytime: true,
    run: tokens,
  },
];

function settings(
  _context: CommandContext,
  _prefix: string,
  [name, ...more]: readonly string[],
): Suggestion[] {
  if (name === undefined) return SETTABLE.map((each) => ({ value: each, detail: OPTIONS[each].describe }));
  const isFlag = SETTABLE.some((each) => each === name && OPTIONS[each].type === 'boolean');
  return isFlag && more.length === 0 ? [{ value: 'on' }, { value: 'off' }] : [];
}

/** Names of models; after ./, ../, ~/ or / folders and model files. */
async function models(_context: CommandContext, prefix: string): Promise<readonly Suggestion[]> {
  return /^(?:~|\.{1,2})?\//.test(prefix) ? modelFiles(prefix) : modelNames();
}

async function modelFiles(
  path: string,
  fits = (name: string) => name.endsWith('.gguf'),
): Promise<readonly Suggestion[]> {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const location = locationOf(folder, process.cwd());
  const entries = await entriesOf(location, { hidden: path.slice(folder.length).startsWith('.') });
  const offered = await Promise.all(
    entries.map(async (entry) => {
      if (/\s/.test(entry.name)) return []; // a word of a command line has no spaces
      if (await isFolder(entry, location)) return [{ value: `${folder}${entry.name}/`, partial: true }];
      return fits(entry.name) ? [{ value: `${folder}${entry.name}` }] : [];
    }),
  );
  return offered.flat();
}

function modelNames(): Suggestion[] {
  const here = listModels(directories()).models.map(({ reference, path, bytes }) => ({
    value: reference ?? path,
    detail: formatBytes(bytes),
  }));
  const known = new Set(here.map(({ value }) => value));
  const others = CATALOGUE.filter(({ alias }) => !known.has(alias));
  return [...here, ...others.map(({ alias }) => ({ value: alias, detail: 'not downloaded' }))];
}

async function model(context: CommandContext, reference: string): Promise<void> {
  const { dialogue, screen } = context;
  const home = reference.startsWith('~/') ? locationOf(reference, process.cwd()) : reference; // no shell has done it
  const wanted = reference === '' ? (await screen.choose(modelList(dialogue)))?.value : home;
  if (wanted !== undefined) await dialogue.load(wanted, dialogue.options.backend);
}

/** Models on this machine, then those of the catalogue that are not. The loaded one is there, wherever its file is. */
function modelList({ loaded }: CommandContext['dialogue']): ChoiceList {
  const here = listModels(directories()).models.map(({ reference, path, bytes }) => ({
    value: reference ?? path,
    after: ['pulled', formatBytes(bytes)],
  }));
  const known = new Set(here.map(({ value }) => value));
  const offers = CATALOGUE.filter(({ alias }) => !known.has(alias)).map(({ alias, bytes }) => ({
    value: alias,
    after: ['not pulled', formatBytes(bytes)],
  }));
  const elsewhere =
    loaded && ![...here, ...offers].some(({ value }) => value === loaded.reference)
      ? [{ value: loaded.reference, after: ['a file', formatBytes(loaded.facts.bytes)] }]
      : [];
  const choices = [...elsewhere, ...here, ...offers].map((choice) => ({
    ...choice,
    text: modelName(choice.value),
    keywords: choice.value,
    current: choice.value === loaded?.reference,
  }));
  const at = Math.max(
    0,
    choices.findIndex(({ current }) => current),
  );
  return { title: 'Models', choices, at, taking: 'load', leaving: 'leave' };
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
  if (await loads(dialogue, reference, name)) dialogue.options = { ...dialogue.options, backend: name };
}

/** Files of adapters, and those to take off. */
async function adapters(
  { dialogue }: CommandContext,
  prefix: string,
  [first]: readonly string[],
): Promise<readonly Suggestion[]> {
  if (first === 'off') return (dialogue.options.lora ?? []).map((value) => ({ value }));
  const off = { value: 'off', detail: 'without adapters' };
  if (first !== undefined) return [];
  return prefix.includes('/') ? modelFiles(prefix, (name) => /\.(?:gguf|safetensors)$/.test(name)) : [off];
}

async function lora(context: CommandContext, args: string): Promise<void> {
  const { dialogue } = context;
  const { reference } = loadedModel(context);
  const { lora: now = [], backend } = dialogue.options;
  const pathIn = (text: string) => adapterChoice(text).path;
  const [word = '', ...more] = args.split(/\s+/);
  if (word === '') {
    const applied = now.length === 0 ? 'no adapter is applied' : `applied: ${now.join(', ')}`;
    return say(context, `${applied}; /lora FILE=0.5 adds one, /lora off takes all off`);
  }
  const added = word === 'off' ? undefined : locationOf(args, process.cwd());
  const gone = added ?? (more.length > 0 ? locationOf(more.join(' '), process.cwd()) : undefined);
  const kept = gone === undefined ? [] : now.filter((each) => pathIn(each) !== pathIn(gone));
  if (added === undefined && kept.length === now.length)
    throw usage('No such adapter is applied.', '/lora lists them.');
  dialogue.options = { ...dialogue.options, lora: added === undefined ? kept : [...kept, added] };
  if (!(await loads(dialogue, reference, backend))) dialogue.options = { ...dialogue.options, lora: now };
}

function system(context: CommandContext, text: string) {
  const { dialogue } = context;
  if (text === '') {
    const { instructions, summary } = systemPartsOf(dialogue.branch.path);
    say(context, instructions === '' ? 'there is no system message' : `system message: ${instructions}`);
    if (summary !== '') say(context, 'the summary of /compact goes with it');
    return;
  }
  dialogue.branch.note('system', text === 'none' ? '' : text);
  say(context, text === 'none' ? 'the system message is removed' : 'the system message is set');
}

/** Names that /set takes. */
const SETTABLE: readonly OptionName[] = [...SAMPLING_NAMES, 'ctx'];

function set(context: CommandContext, args: string) {
  const { dialogue } = context;
  const [, word, text] = /^(\S*)\s*(.*)$/s.exec(args.replace('=', ' '))!;
  if (word === '') return params(context);
  const name = SETTABLE.find((each) => each === word || (OPTIONS[each] as OptionSpec).alias === word);
  if (!name) {
    const meant = nearest(word!, SETTABLE);
    throw usage(
      `Expected the name of a parameter, got "${word}".`,
      meant ? `Did you mean ${meant}?` : `Parameters are ${SETTABLE.join(', ')}.`,
    );
  }
  if (name === 'ctx') return setContext(context, text!);
  const options = { ...dialogue.options, [camelCase(name)]: parameterIn(name, text!) };
  if (dialogue.loaded) parametersOf(dialogue.loaded, options); // throws if the value is out of range
  dialogue.options = options;
  say(context, text === '' ? `${name} is reset to its default` : `${name} is ${text}`);
}

/** Loads the model again with another context; the conversation stays. */
async function setContext({ dialogue }: CommandContext, text: string): Promise<void> {
  if (dialogue.busy)
    throw usage('The context cannot change now.', 'Try again after the answer; Esc stops it.');
  const { ctx, backend } = dialogue.options;
  dialogue.options = { ...dialogue.options, ctx: parameterIn('ctx', text) as number | undefined };
  if (!(await loads(dialogue, dialogue.reference, backend))) dialogue.options = { ...dialogue.options, ctx };
}

/** Loads a model. Returns whether it replaced the present one: it may even if its reading of the conversation is stopped. */
async function loads(dialogue: Dialogue, reference: string, backend: string | undefined): Promise<boolean> {
  const before = dialogue.loaded;
  await dialogue.load(reference, backend);
  return dialogue.loaded !== before;
}

function parameterIn(name: OptionName, text: string) {
  return text === '' ? undefined : parseText(OPTIONS[name], text, `/set ${name}`);
}

function params(context: CommandContext) {
  const loaded = loadedModel(context);
  const { options } = context.dialogue;
  const sampling = samplingInWords(parametersOf(loaded, options), options);
  print(context, rows(context, [...sampling, ['ctx', `${loaded.model.contextLength}`]]));
  say(context, '/set NAME VALUE changes one of them');
}

function tokens(context: CommandContext, text: string) {
  const { model } = loadedModel(context);
  const { dialogue, theme } = context;
  const source = text === '' ? dialogue.branch.path.at(-1)?.content : text;
  if (source === undefined) throw usage('There is no text to split into tokens.', 'Type: /tokens TEXT');
  const ids = model.tokenizer.encode(source);
  let begun = ''; // ids of tokens that begin a character
  const shown = tokenTexts(model.tokenizer, ids).flatMap((piece, i) => {
    begun += begun === '' ? `${ids[i]}` : `+${ids[i]}`;
    if (piece === '') return [];
    const all = theme.dim(`:${begun}`);
    begun = '';
    return [`${theme.code(visible(piece, theme))}${all}`];
  });
  print(context, [shown.join(' ')]);
  say(context, ids.length === 1 ? '1 token' : `${ids.length} tokens`);
}
