/**
 * The table of options. Parsing, help, settings and completion are derived from it. A key is the long flag and the key in
 * settings files; `variableOf` names its environment variable.
 */
import { BACKEND_NAMES } from '../../backends/select.ts';
import type { LoadOptions } from '../../core/model.ts';
import { DEFAULT_MODEL } from '../../core/models/catalogue.ts';

export interface OptionSpec {
  readonly type: 'string' | 'strings' | 'number' | 'integer' | 'boolean'; // strings: may be repeated
  /** Name of the value in help. FILE and REF are completed with files and models. Empty for booleans. */
  readonly value: string;
  readonly describe: string;
  readonly alias?: string;
  /** Takes several values, separated by commas or by repeating the flag. Commands get an array. */
  readonly list?: true;
  /** On a terminal the value may be left out: it is empty then, and a chat lets the user choose. */
  readonly optional?: true;
  readonly choices?: readonly string[];
  readonly range?: readonly [least: number, most: number];
  readonly default?: string;
  /** Also in the short help of a command with many options. */
  readonly brief?: true;
  /** May also be set in the environment and in the user's settings file. */
  readonly setting?: true;
  /**
   * May also be set in a project's file, which a stranger may have written: sampling and lengths. Never an option that
   * starts a program, opens a connection, names a path or hides output. `reference`: an alias, or a pulled model.
   */
  readonly project?: true | 'reference';
}

type Extra = Pick<
  OptionSpec,
  'alias' | 'list' | 'optional' | 'choices' | 'range' | 'default' | 'brief' | 'setting' | 'project'
>;

/** A constructor of specs of one type. The type stays literal, so that `Options` can be derived. */
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
const brief = true;
const FROM_ONE = [1, Number.POSITIVE_INFINITY] as const;

const PROMPT = {
  model: text('REF', 'alias, path, hf:owner/repo/file.gguf, https://... or pip:package==version#file', {
    alias: 'm',
    default: DEFAULT_MODEL,
    brief,
    setting,
    project: 'reference',
  }),
  system: text('TEXT', 'system message, the first message', { alias: 's', brief, setting }),
  messages: text('FILE', 'JSON array of {"role", "content"}; - reads stdin'),
  file: texts('FILE', 'attach a text file, or those of a folder; - is stdin; may be repeated', {
    alias: 'f',
    brief,
  }),
  tools: text('FILE', 'JSON array of tools for the template'),
  template: text('FILE', "Jinja chat template instead of the model's own"),
  bos: text('TEXT', "the template's bos_token (default: the model's)"),
  eos: text('TEXT', "the template's eos_token (default: the model's)"),
  now: text('ISO-DATE', 'time for templates that print the date: 2026-01-15T12:00:00'),
  'no-stdin': flag('leave stdin alone, whatever it is; - reads it to its end', { setting }),
  raw: flag('no chat template: the prompt unchanged, special tokens parsed'),
  'parse-special': flag('special tokens written in messages count as such, not as text'),
  lines: flag('each line is a text of its own'),
  'prompt-ids': text('IDS', 'token ids as the prompt: 1,2,3'),
  special: flag('parse special tokens in text, and show them as text'),
};

// core/sampler checks the ranges of sampling parameters.
const SAMPLING = {
  'max-tokens': integer('N', 'stop after N tokens', {
    alias: 'n',
    range: FROM_ONE,
    brief,
    setting,
    project,
  }),
  temperature: number('T', "0 is greedy: always the most likely token (default: the model's, else 0.8)", {
    alias: 't',
    brief,
    setting,
    project,
  }),
  'top-k': integer('K', "keep the K most likely tokens; 0 keeps all (default: the model's, else 40)", {
    setting,
    project,
  }),
  'top-p': number('P', "keep the most likely tokens that add up to P (default: the model's, else 0.95)", {
    setting,
    project,
  }),
  'min-p': number(
    'P',
    "keep tokens at least P times as likely as the best (default: the model's, else 0.05)",
    {
      setting,
      project,
    },
  ),
  typical: number('P', 'keep the tokens of most typical surprise that add up to P', { setting, project }),
  'repeat-penalty': number('X', 'divide the logits of recent tokens by X; 1 is off', { setting, project }),
  'presence-penalty': number('X', 'subtract X from the logits of tokens that occurred', { setting, project }),
  'frequency-penalty': number('X', 'subtract X from the logit of a token each time it occurred', {
    setting,
    project,
  }),
  dry: text('X[,BASE,LENGTH]', 'penalise repeated sequences longer than LENGTH', { setting, project }),
  xtc: text('P[,THRESHOLD]', 'with probability P drop all likely tokens except the least likely', {
    setting,
    project,
  }),
  mirostat: text('2[,TAU,ETA]', 'version 2: keep the surprise at TAU bits per token', { setting, project }),
  'logit-bias': texts('ID:BIAS', "add BIAS to a token's logit; -inf forbids it; may be repeated"),
  samplers: text('A,B,C', 'samplers in order; --stats shows the chain', { setting, project }),
  seed: integer('N', 'same seed, same text (default: random, as with -1; --stats shows it)', {
    setting,
    project,
  }),
  stop: texts('TEXT', 'stop before this text; may be repeated'),
  'ignore-eos': flag('continue after end-of-generation tokens'),
  'ignore-loops': flag('continue an answer that repeats itself word for word'),
};

const KV_TYPES = ['auto', 'f32', 'f16', 'q8'] as const satisfies readonly LoadOptions['kvType'][];

/** core/embedding.ts, which is loaded with its commands only. */
const POOLINGS = ['mean', 'cls', 'last'];

/** core/quantize/on-load.ts, which is loaded with a model only. */
const ON_LOAD_TYPES = ['Q8_0', 'Q6_K', 'Q5_K', 'Q4_K', 'Q5_1', 'Q5_0', 'Q4_1', 'Q4_0', 'F16', 'BF16', 'F32'];

const ENGINE = {
  ctx: integer('N', 'context length in tokens', { range: FROM_ONE, setting, project }),
  'kv-type': text('TYPE', 'type of the KV cache; auto: q8, or f32 if all weights are floats', {
    choices: KV_TYPES,
    default: 'auto',
    setting,
  }),
  pooling: text('HOW', "how the states of a text become one vector (default: the model's, else mean)", {
    choices: POOLINGS,
  }),
  'no-normalize': flag('vectors as they are, not of length 1'),
  truncate: flag('cut texts that are longer than the context'),
  type: text('TYPE', 'type of the weights in the new file (default: as they are stored)'),
  imatrix: text('FILE', 'importances of columns, from llama-imatrix'),
  pre: text('NAME', "pre-tokenizer of byte-level BPE, if the file's own is unknown or wrong"),
  lora: texts('FILE[=FACTOR]', 'adapter that is added to the weights, with a factor; may be repeated'),
  quantize: text('TYPE', 'type that float weights get while they are loaded', { choices: ON_LOAD_TYPES }),
  chunks: integer('N', 'score only the first N chunks', { range: FROM_ONE }),
  backend: text('NAME', 'backend that computes; percept devices lists them', {
    choices: ['auto', ...BACKEND_NAMES],
    default: 'auto',
    brief,
    setting,
  }),
  threads: integer('N', 'worker threads (default: one per core, within affinity and quotas)', {
    range: [1, 1024],
    setting,
  }),
  speculate: text(
    'WHEN',
    'check several drafted tokens in one step; the answer is the same; auto: if it is faster',
    {
      choices: ['auto', 'on', 'off'],
      default: 'auto',
      setting,
    },
  ),
  draft: text(
    'REF',
    'smaller model with the same vocabulary that drafts (default: draft from the text so far)',
    {
      setting,
      project: 'reference',
    },
  ),
  ops: flag('check only the ops, without a model'),
  'no-memory-check': flag('load a model also if it seems not to fit in free memory', { setting }),
  'no-pull': flag('never download; a model that is not on this machine is an error', { setting }),
};

const FROM_ZERO = [0, Number.POSITIVE_INFINITY] as const;
const list = true;
const BENCH = {
  'n-prompt': integer('N', 'prompt tokens; 0 skips prefill (default: 512)', {
    alias: 'p',
    list,
    range: FROM_ZERO,
    brief,
  }),
  'n-gen': integer('N', 'generated tokens; 0 skips decode (default: 128)', {
    alias: 'n',
    list,
    range: FROM_ZERO,
    brief,
  }),
  'n-depth': integer('N', 'tokens in the cache beforehand (default: 0)', {
    alias: 'd',
    list,
    range: FROM_ZERO,
    brief,
  }),
  batch: integer('N', 'sequences decoded together in one step (default: 1)', {
    alias: 'b',
    list,
    range: [1, 512],
  }),
  repetitions: integer('N', 'measured runs, after one warm-up (default: 5)', {
    alias: 'r',
    range: FROM_ONE,
    brief,
  }),
  peer: texts(
    'NAME[=PATH]',
    'alternate with llama-bench=PATH, llama-batched-bench=PATH or node-llama-cpp[=PATH]',
  ),
  output: text('FORMAT', 'format without --json or --jsonl', {
    alias: 'o',
    choices: ['md', 'csv', 'sql'],
    default: 'md',
  }),
  profile: flag('also time every kernel with the clock of the GPU; slower; needs --backend NAME'),
  save: text('FILE', 'append the rows to FILE, with date, machine and command'),
  report: text('FILE', 'draw the results: FILE.svg is a picture, FILE.html a page with table and rows', {
    brief,
  }),
};

const SESSIONS = {
  continue: flag('continue the last stored conversation', { alias: 'c', brief }),
  resume: text(
    'ID',
    'continue this conversation; the first characters of its id are enough; without ID: choose one from a list',
    { alias: 'r', optional: true },
  ),
  'no-save': flag('do not store this question or conversation', { setting }),
  limit: integer('N', 'show at most N', { range: FROM_ONE }),
};

const OUTPUT = {
  json: flag('one JSON object on stdout', { brief }),
  jsonl: flag('one JSON value per line, as soon as it is known'),
  logprobs: integer('N', 'in JSON: the log probability of each token and of the N best', {
    range: [0, 1000],
  }),
  names: flag('only references, one per line'),
  pulled: flag('only the models on this machine'),
  extract: flag('print only the first fenced code block of the answer, without its fences', {
    alias: 'x',
    brief,
  }),
  'raw-output': flag('print the answer as the model wrote it; a terminal shows it as Markdown otherwise', {
    setting,
  }),
  stats: flag('counts, speeds, sampler chain and seed on stderr', { brief, setting }),
  yes: flag('do not ask', { alias: 'y' }),
  quiet: flag('only errors on stderr', { alias: 'q', setting }),
  ascii: flag('only ASCII glyphs', { setting }),
  'screen-reader': flag('plain lines without redrawing; also set by INK_SCREEN_READER=true', { setting }),
  'no-color': flag('no colours; NO_COLOR and FORCE_COLOR work too', { setting }),
  debug: flag('show the causes of an error', { setting }),
};

export const OPTIONS = { ...PROMPT, ...SAMPLING, ...ENGINE, ...SESSIONS, ...BENCH, ...OUTPUT };
export type OptionName = keyof typeof OPTIONS;
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];
export const SAMPLING_NAMES = Object.keys(SAMPLING) as OptionName[];
export const BENCH_NAMES = Object.keys(BENCH) as OptionName[];
export const SETTING_NAMES = OPTION_NAMES.filter((name) => (OPTIONS[name] as OptionSpec).setting);
export const PROJECT_NAMES = SETTING_NAMES.filter((name) => (OPTIONS[name] as OptionSpec).project);

/** For help: titles, each with its options. */
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

/** Options as commands read them: `max-tokens` is `maxTokens`. An option that is not set is absent. */
export type Options = { readonly [N in OptionName as Camel<N>]?: Values[(typeof OPTIONS)[N]['type']] };

/** The spec of an option; undefined if there is none. `name` may come from outside. */
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
