/** What the first words mean: help, a typo of a command, a model where the prompt belongs. */
import { fstatSync } from 'node:fs';
import { CATALOGUE } from '../../core/models/catalogue.ts';
import { shellWord } from '../../core/models/reference.ts';
import { nearest } from '../../core/near-miss.ts';
import { UserError } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';
import { inOwnWords, isModelWord } from './other-words.ts';

export const MODELS = CATALOGUE.map(({ alias }) => alias);

/**
 * Turns `percept help`, `percept help COMMAND` and `percept help COMMAND ACTION` into --help, with the options after them.
 * With other words it is a prompt. Throws UserError (usage) for a single word that is no command.
 */
export function helpAsOption(args: readonly string[], commands: readonly CommandSpec[]): readonly string[] {
  const [first, ...rest] = args;
  if (first !== 'help') return args;
  const end = rest.findIndex((word) => word.startsWith('-'));
  const options = end < 0 ? [] : rest.slice(end);
  const words = end < 0 ? rest : rest.slice(0, end);
  if (words.length === 0) return ['--help', ...options];
  const [name, ...more] = words.length === 1 ? inOwnWords(words, MODELS) : words;
  const command = commands.find((each) => each.name === name);
  const isAction = more.length === 1 && command?.operand?.first?.includes(more[0]!);
  if (command && (more.length === 0 || isAction)) return [name!, '--help', ...options];
  if (words.length === 1 && !hasFileOnStdin()) throw noHelp(name!, commands);
  return args;
}

function noHelp(name: string, commands: readonly CommandSpec[]): UserError {
  const near = nearest(
    name,
    commands.map((command) => command.name),
  );
  const known = near ? `Did you mean percept help ${near}?` : 'percept -h lists the commands.';
  return noCommand(name, `${known} ${asPrompt(['help', name])}`);
}

/**
 * A word close to a command's name is a typo, alone or with a model after it, not a prompt: answering it could download a
 * model.
 */
export function refuseTypo(operands: readonly string[], commands: readonly CommandSpec[]): void {
  const [word, second, ...more] = operands;
  if (word === undefined || more.length > 0 || (second !== undefined && !isModelWord(second, MODELS))) return;
  if (hasFileOnStdin()) return;
  const near = nearest(word.toLowerCase(), ['help', ...commands.map(({ name }) => name)]);
  if (!near) return;
  throw noCommand(word, `Did you mean percept ${near}? ${asPrompt(operands)}`);
}

/** With a file after it, a word is an instruction: percept summarise < notes.txt */
function hasFileOnStdin(): boolean {
  try {
    return fstatSync(0).isFile();
  } catch {
    return false; // closed
  }
}

/**
 * The name of a model as the first word is no prompt: other programs have it there. A small model would answer it with
 * whatever comes to its mind. Throws UserError (usage).
 */
export function refuseModel(operands: readonly string[], command: string): void {
  const [word = '', ...more] = operands;
  if (!MODELS.includes(word) && !/^(?:hf:|pip:)\S+$|^\S+\.gguf$/i.test(word)) return;
  const program = command === 'chat' || more.length === 0 ? 'percept chat' : 'percept';
  const prompt = more.length > 0 ? ` ${shellWord(more.join(' '))}` : '';
  const hint = `Did you mean ${program} -m ${shellWord(word)}${prompt}?`;
  throw new UserError(`"${word}" is a model, and stands where the prompt belongs.`, hint, { kind: 'usage' });
}

function noCommand(word: string, hint: string): UserError {
  return new UserError(`percept has no command "${word}".`, hint, { kind: 'usage' });
}

/** How to use words as a prompt that percept takes for something else. */
export function asPrompt(words: readonly string[]): string {
  return `To use the words as a prompt: percept run ${words.map(shellWord).join(' ')}`;
}
