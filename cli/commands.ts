/**
 * Every command: the one table that dispatch, help and completion are made from. A command's own module is
 * imported when it runs, so that none pays for another.
 */
import {
  BENCH_NAMES,
  OPTIONS,
  type OptionName,
  type OptionSpec,
  type Options,
  SAMPLING_NAMES,
  SETTING_NAMES,
} from './options.ts';
import type { Output } from './output.ts';
import type { Settings } from './settings.ts';

/** What a command gets. */
export interface Call {
  readonly operands: readonly string[];
  readonly options: Options;
  /** The same options with where each came from. */
  readonly settings: Settings;
  readonly output: Output;
  /** Runs work that Ctrl-C aborts by a signal, instead of ending the process. */
  readonly abortable: <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  readonly operand?: {
    readonly name: string; // completed where it is REF (models), ID (sessions) or FILE
    readonly required?: true;
    readonly many?: true;
    readonly choices?: readonly string[];
    /** For completion: what the first may be, and what those after it are called. */
    readonly first?: readonly string[];
    readonly rest?: string;
  };
  readonly options: readonly OptionName[];
  /** How this command takes an option differently from others. */
  readonly variants?: Readonly<Partial<Record<OptionName, Partial<OptionSpec>>>>;
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  readonly load: () => Promise<(call: Call) => Promise<void>>;
}

export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export const SESSION_ACTIONS = ['list', 'show', 'search', 'rename', 'export', 'rm'] as const;

/** Options that every command takes. */
export const COMMON_OPTIONS: readonly OptionName[] = ['quiet', 'no-color', 'ascii', 'debug'];

const PROMPT: readonly OptionName[] = ['model', 'system', 'messages', 'template', 'raw', 'prompt-ids'];
const ENGINE: readonly OptionName[] = ['ctx', 'kv-type', 'backend', 'threads', 'no-pull'];

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'run',
    summary: 'answer a prompt; the default command',
    operand: { name: 'prompt', many: true },
    options: [
      ...PROMPT,
      ...SAMPLING_NAMES,
      ...ENGINE,
      'speculate',
      'draft',
      'continue',
      'json',
      'jsonl',
      'logprobs',
      'stats',
    ],
    examples: [
      ['percept "Why is the sky blue?"', 'ask the default model'],
      ['git diff | percept "write a commit message"', 'the argument instructs, stdin is the content'],
      ['percept -c "and at night?"', 'go on with the last conversation; the answer is kept there'],
      ['percept - < prompt.txt', 'stdin alone is the prompt'],
      ['percept -m ./model.gguf -t 0 --json "2 + 2 ="', 'another model, greedy, as JSON'],
    ],
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'chat',
    summary: 'talk with a model; percept alone on a terminal does it too',
    operand: { name: 'message', many: true },
    options: [
      ...(['model', 'system', 'template'] as const),
      ...SAMPLING_NAMES,
      ...ENGINE,
      ...(['speculate', 'continue', 'resume', 'no-save'] as const),
      ...(['json', 'jsonl', 'stats', 'screen-reader'] as const),
    ],
    examples: [
      ['percept chat', 'Ctrl-D leaves; the conversation is kept'],
      ['percept chat -c', 'go on where you left off'],
      ['percept chat --backend webgpu "Hello"', 'another backend, and a first message'],
      ['git diff | percept chat "review this"', 'without a terminal it answers once, as percept run does'],
    ],
    load: async () => (await import('./chat.ts')).chat,
  },
  {
    name: 'sessions',
    summary: 'conversations that are kept: list, show, search, rename, export, rm',
    operand: { name: 'action', many: true, first: SESSION_ACTIONS, rest: 'ID' },
    options: ['limit', 'names', 'yes', 'json'],
    variants: { names: { describe: 'ids only, one a line' } },
    examples: [
      ['percept sessions', 'the latest in front; the beginning of an id is enough below'],
      ['percept sessions show k3f9', 'the branch that is read'],
      ['percept sessions search sky blue', 'words, beginnings of words, and "words in a row"'],
      ['percept sessions rename k3f9 About the sky', 'a title'],
      ['percept sessions export k3f9 > sky.md', 'as Markdown; with --json every branch'],
      ['percept sessions rm k3f9 m2x0', 'deletes them'],
    ],
    load: async () => (await import('./sessions.ts')).sessions,
  },
  {
    name: 'pull',
    summary: 'fetch a model',
    operand: { name: 'REF', required: true },
    options: ['json'],
    examples: [
      ['percept pull smollm2', 'a model of the catalogue'],
      ['percept pull hf:owner/repo/model.gguf', 'a file of a Hugging Face repository'],
    ],
    load: async () => (await import('./pull.ts')).pull,
  },
  {
    name: 'list',
    summary: 'models on this machine and in the catalogue',
    options: ['json', 'names'],
    examples: [['percept list --json', 'for a script']],
    load: async () => (await import('./list.ts')).list,
  },
  {
    name: 'show',
    summary: 'what a model file holds and the memory it needs',
    operand: { name: 'REF' },
    options: ['model', 'ctx', 'kv-type', 'json'],
    examples: [
      ['percept show', 'the default model'],
      ['percept show ./model.gguf --ctx 8192 --kv-type q8', 'memory needed with this context'],
    ],
    load: async () => (await import('./show.ts')).show,
  },
  {
    name: 'rm',
    summary: 'delete a model that was pulled',
    operand: { name: 'REF', required: true },
    options: ['yes', 'json'],
    examples: [['percept rm -y smollm2', 'without asking']],
    load: async () => (await import('./rm.ts')).rm,
  },
  {
    name: 'tokenize',
    summary: 'text to token ids',
    operand: { name: 'text', many: true },
    options: ['model', 'special', 'jsonl', 'json', 'no-pull'],
    examples: [
      ['percept tokenize "Hello world"', ''],
      ['percept tokenize --jsonl - < strings.jsonl', 'a JSON string a line in, an id array a line out'],
    ],
    load: async () => (await import('./tokenize.ts')).tokenize,
  },
  {
    name: 'detokenize',
    summary: 'token ids to text',
    operand: { name: 'ids', many: true },
    options: ['model', 'special', 'json', 'no-pull'],
    examples: [
      ['percept detokenize 19556,905', ''],
      ['percept tokenize hello | percept detokenize -', 'there and back'],
    ],
    load: async () => (await import('./detokenize.ts')).detokenize,
  },
  {
    name: 'template',
    summary: 'the prompt that a chat template makes of messages',
    options: ['messages', 'tools', 'template', 'bos', 'eos', 'now', 'model', 'json', 'no-pull'],
    examples: [['percept template --messages chat.json', '']],
    load: async () => (await import('./template.ts')).template,
  },
  {
    name: 'score',
    summary: 'perplexity of a text',
    operand: { name: 'FILE', required: true },
    options: ['model', ...ENGINE, 'chunks', 'json', 'jsonl'],
    examples: [
      ['percept score --ctx 512 --chunks 8 wiki.txt', ''],
      ['percept score --jsonl - < text.txt', "every token's log probability"],
    ],
    load: async () => (await import('./score.ts')).score,
  },
  {
    name: 'devices',
    summary: 'what can compute here, what is chosen and why not the others',
    options: ['backend', 'threads', 'json'],
    examples: [['percept devices', '']],
    load: async () => (await import('./devices.ts')).devices,
  },
  {
    name: 'bench',
    summary: 'speed of models or of kernels beside what the machine can give',
    operand: { name: 'kernels', many: true },
    options: [
      ...(['model', ...BENCH_NAMES, 'backend', 'threads', 'kv-type', 'no-pull'] as const),
      ...(['json', 'jsonl', 'screen-reader'] as const),
    ],
    variants: {
      model: { list: true },
      backend: { list: true },
      threads: { list: true, alias: 't' },
      'kv-type': { list: true },
    },
    examples: [
      ['percept bench', 'the default model: reads 512 tokens, writes 128'],
      ['percept bench -m a.gguf,b.gguf -d 0,4096 --kv-type f16,q8', 'every combination of what is listed'],
      ['percept bench --peer llama-bench=./llama-bench', 'in turn with native llama.cpp'],
      ['percept bench kernels q4_0', 'every kernel, or those whose name has these words'],
    ],
    load: async () => (await import('./bench.ts')).bench,
  },
  {
    name: 'verify',
    summary: 'whether the backends here compute what the reference computes',
    operand: { name: 'words', many: true },
    options: ['model', 'backend', 'threads', 'kv-type', 'max-tokens', 'ops', 'no-pull', 'json'],
    variants: {
      backend: { list: true, describe: 'those to verify (default: all that are here)', default: undefined },
      'max-tokens': { describe: 'tokens of each of three answers (default: 16)' },
      threads: { alias: 't' },
    },
    examples: [
      ['percept verify', 'before trusting a new driver: ops, then the default model; about a minute'],
      ['percept verify --backend webgpu --ops attention q8', 'ops alone, those whose name has these words'],
    ],
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'doctor',
    summary: 'what slows this machine down, and what to do about it',
    options: ['model', 'threads', 'json'],
    examples: [['percept doctor', '']],
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'config',
    summary: 'every setting, its value and where it came from',
    options: [...SETTING_NAMES, 'json'],
    examples: [['PERCEPT_TEMPERATURE=0 percept config', 'a variable at work']],
    load: async () => (await import('./config.ts')).config,
  },
  {
    name: 'completion',
    summary: 'a completion script for a shell',
    operand: { name: 'shell', required: true, choices: SHELLS },
    options: [],
    examples: [
      ['source <(percept completion bash)', 'in ~/.bashrc; zsh in ~/.zshrc'],
      ['percept completion fish > ~/.config/fish/completions/percept.fish', ''],
      ['percept completion powershell | Out-String | Invoke-Expression', 'in $PROFILE'],
    ],
    load: async () => (await import('./completion.ts')).completion,
  },
];

/** An option as a command takes it. */
export function specOf({ variants }: CommandSpec, name: OptionName): OptionSpec {
  return { ...OPTIONS[name], ...variants?.[name] };
}
