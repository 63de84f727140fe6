/**
 * The table of commands. Dispatch, help and completion are derived from it. Each command's module is imported when the
 * command runs, so that no command pays for another.
 */
import { BENCH_NAMES, type OptionName, SAMPLING_NAMES, SETTING_NAMES } from '../arguments/options.ts';
import type { CommandSpec } from '../command.ts';
import { SESSION_ACTIONS } from '../sessions/actions.ts';

const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;

const PROMPT: readonly OptionName[] = [
  'model',
  'system',
  'file',
  'messages',
  'template',
  'no-stdin',
  'parse-special',
  'raw',
  'prompt-ids',
];
const ENGINE: readonly OptionName[] = ['ctx', 'kv-type', 'backend', 'threads', 'no-memory-check', 'no-pull'];

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'run',
    summary: 'answer a prompt (the default command)',
    operand: { name: 'prompt', many: true },
    options: [
      ...PROMPT,
      ...SAMPLING_NAMES,
      ...ENGINE,
      'speculate',
      'draft',
      'continue',
      'resume',
      'no-save',
      'json',
      'jsonl',
      'logprobs',
      'extract',
      'raw-output',
      'screen-reader',
      'stats',
    ],
    examples: [
      ['percept "Why is the sky blue?"', 'ask the default model'],
      ['git diff | percept "write a commit message"', 'the argument instructs, stdin is the content'],
      ['percept -f src -f notes.md "What is missing?"', 'files and folders are the content'],
      ['percept -c "and at night?"', 'continue the last conversation, or the last question'],
      ['percept -x "a shell script that counts files" > count.sh', 'only the code of the answer'],
      ['percept - < prompt.txt', 'stdin alone is the prompt'],
      ['percept -m ./model.gguf -t 0 --json "2 + 2 ="', 'another model, greedy, as JSON'],
    ],
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'chat',
    summary: 'chat with a model; percept alone on a terminal does the same',
    operand: { name: 'message', many: true },
    options: [
      ...(['model', 'system', 'file', 'template', 'no-stdin', 'parse-special'] as const),
      ...SAMPLING_NAMES,
      ...ENGINE,
      ...(['speculate', 'continue', 'resume', 'no-save'] as const),
      ...(['json', 'jsonl', 'stats', 'screen-reader'] as const),
    ],
    examples: [
      ['percept chat', 'Ctrl-D leaves; the conversation is stored'],
      ['percept chat -c', 'continue the last conversation'],
      ['percept chat -f src', 'its text files go with the first question'],
      ['percept -r', 'choose a stored conversation from a list'],
      ['percept chat --backend webgpu "Hello"', 'another backend, and a first message'],
      ['git diff | percept chat "review this"', 'without a terminal: one answer, as percept run'],
    ],
    load: async () => (await import('./chat.ts')).chat,
  },
  {
    name: 'sessions',
    summary: 'stored conversations: list, show, search, rename, export, rm',
    operand: { name: 'action', many: true, first: SESSION_ACTIONS, rest: 'ID' },
    options: ['limit', 'names', 'yes', 'json'],
    variants: { names: { describe: 'only ids, one per line' } },
    examples: [
      ['percept sessions', 'latest first; below, the first characters of an id are enough'],
      ['percept sessions show k3f9', 'the current branch'],
      ['percept sessions search sky blue', 'words, starts of words, and "exact phrases"'],
      ['percept sessions rename k3f9 About the sky', 'gives it a title'],
      ['percept sessions export k3f9 > sky.md', 'as Markdown; --json has every branch'],
      ['percept sessions rm k3f9 m2x0', 'deletes both'],
    ],
    load: async () => (await import('./sessions.ts')).sessions,
  },
  {
    name: 'pull',
    summary: 'download a model',
    operand: { name: 'REF', required: true },
    options: ['json'],
    examples: [
      ['percept pull smollm2', 'a model from the catalogue'],
      ['percept pull hf:owner/repo/model.gguf', 'a file from a Hugging Face repository'],
    ],
    load: async () => (await import('./pull.ts')).pull,
  },
  {
    name: 'list',
    summary: 'models on this machine and in the catalogue',
    options: ['json', 'names'],
    examples: [['percept list --json', 'for scripts']],
    load: async () => (await import('./list.ts')).list,
  },
  {
    name: 'show',
    summary: 'contents of a model file and the memory it needs',
    operand: { name: 'REF' },
    options: ['model', 'ctx', 'kv-type', 'json'],
    examples: [
      ['percept show', 'the default model'],
      ['percept show ./model.gguf --ctx 8192 --kv-type q8', 'memory with this context and cache'],
    ],
    load: async () => (await import('./show.ts')).show,
  },
  {
    name: 'rm',
    summary: 'delete a pulled model',
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
      [
        'percept tokenize --jsonl - < strings.jsonl',
        'one JSON string per line in, one array of ids per line out',
      ],
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
      ['percept tokenize hello | percept detokenize -', 'to ids and back to text'],
    ],
    load: async () => (await import('./detokenize.ts')).detokenize,
  },
  {
    name: 'template',
    summary: 'the prompt that a chat template makes from messages',
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
      ['percept score --jsonl - < text.txt', 'log probability of every token'],
    ],
    load: async () => (await import('./score.ts')).score,
  },
  {
    name: 'devices',
    summary: 'adapters and backends of this machine, the chosen one, and why not the others',
    options: ['backend', 'threads', 'json'],
    examples: [['percept devices', '']],
    load: async () => (await import('./devices.ts')).devices,
  },
  {
    name: 'bench',
    summary: 'speed of models or kernels, compared with the limits of the machine',
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
      ['percept bench', 'the default model: prefill of 512 tokens, decode of 128'],
      ['percept bench -m a.gguf,b.gguf -d 0,4096 --kv-type f16,q8', 'all combinations of the listed values'],
      ['percept bench --peer llama-bench=./llama-bench', 'alternates with native llama.cpp'],
      ['percept bench kernels q4_0', 'all kernels, or those whose names contain these words'],
    ],
    load: async () => (await import('./bench.ts')).bench,
  },
  {
    name: 'verify',
    summary: 'compare the results of the backends with those of the reference',
    operand: { name: 'words', many: true },
    options: ['model', 'backend', 'threads', 'kv-type', 'max-tokens', 'ops', 'no-pull', 'json'],
    variants: {
      backend: {
        list: true,
        describe: 'backends to verify (default: all that work here)',
        default: undefined,
      },
      'max-tokens': { describe: 'length of each of the three answers (default: 16)' },
      threads: { alias: 't' },
    },
    examples: [
      ['percept verify', 'for a new driver: ops, then the default model; about a minute'],
      ['percept verify --backend webgpu --ops attention q8', 'only ops whose names contain these words'],
    ],
    load: async () => (await import('./verify.ts')).verify,
  },
  {
    name: 'doctor',
    summary: 'what slows this machine down and what to do about it',
    options: ['model', 'threads', 'json'],
    examples: [['percept doctor', '']],
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'config',
    summary: 'every setting, its value and its origin',
    options: [...SETTING_NAMES, 'json'],
    examples: [['PERCEPT_TEMPERATURE=0 percept config', 'with a variable']],
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
