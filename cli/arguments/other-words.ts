/** First words that are commands in programs like this one (ollama, llm, lms, llama.cpp). */
import { UserError } from '../../errors.ts';

/** Words for a command of percept: alone, or with a model after them. */
const ALIASES: Readonly<Record<string, string>> = {
  ls: 'list',
  models: 'list',
  remove: 'rm',
  delete: 'rm',
  logs: 'sessions',
  history: 'sessions',
  info: 'show',
  download: 'pull',
  install: 'pull',
  benchmark: 'bench',
  settings: 'config',
  backends: 'devices',
};

/** Words for what percept does not have, alone, or with options or a model after them: the way on. */
const ABSENT: Readonly<Record<string, string>> = {
  ps: 'A model is loaded by the command that uses it; percept list shows those on this machine.',
  stop: 'A model is freed at the end of the command that uses it.',
  serve: 'There is no server yet; percept --messages chat.json --json answers from a script.',
  update: 'npm install -g percept@latest updates percept; percept pull REF gets a model again.',
  upgrade: 'npm install -g percept@latest updates percept.',
  search:
    'percept similar QUERY FILE.. searches files, percept sessions search WORDS conversations; percept list shows the catalogue.',
};

/** Whether a word after a command is meant as a model: a path, a reference, an alias of the catalogue. */
export function isModelWord(word: string, aliases: readonly string[]): boolean {
  return aliases.includes(word) || /\.gguf$|^(?:\.{0,2}\/|hf:|pip:|https?:)/i.test(word);
}

/**
 * The arguments in percept's own words. More than one word after an alias is a prompt. Throws UserError (usage) for a
 * word whose command percept does not have.
 */
export function inOwnWords(args: readonly string[], aliases: readonly string[]): readonly string[] {
  const [first = '', second, ...more] = args;
  const isAlone = second === undefined || second.startsWith('-');
  const fits = isAlone || (isModelWord(second, aliases) && more.every((word) => word.startsWith('-')));
  if (fits && Object.hasOwn(ABSENT, first)) {
    throw new UserError(`percept has no command "${first}".`, ABSENT[first]!, { kind: 'usage' });
  }
  if (!Object.hasOwn(ALIASES, first) || more.some((word) => !word.startsWith('-'))) return args;
  return fits ? [ALIASES[first]!, ...args.slice(1)] : args;
}
