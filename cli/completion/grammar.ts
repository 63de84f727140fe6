/** What can be completed where, from the tables of commands and options; each shell says it in its own words. */
import { optionsOf } from '../arguments.ts';
import { COMMANDS, type CommandSpec, specOf } from '../commands.ts';
import type { OptionSpec } from '../options.ts';

/** none: takes no value; any: one that cannot be known. */
export type Values = 'none' | 'any' | 'files' | 'models' | 'sessions' | readonly string[];

export interface CompletedOption {
  readonly name: string;
  readonly alias?: string;
  readonly describe: string;
  readonly values: Values;
}

export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly CompletedOption[];
  readonly operand: Values;
  /** Of the first operand, where it takes others. */
  readonly first?: readonly string[];
}

/** Prints the names of models, one a line; scripts call it when they need them. */
export const MODEL_NAMES = 'percept list --names --quiet';
/** Prints the ids of sessions in the same way. */
export const SESSION_IDS = 'percept sessions --names --quiet';

export const HELP: CompletedOption = { name: 'help', alias: 'h', describe: 'show help', values: 'none' };

/** The first is what `percept` does without a command. */
export function completedCommands(): CompletedCommand[] {
  return COMMANDS.map((command) => ({
    name: command.name,
    summary: command.summary,
    options: [...optionsOf(command).map((name) => completedOption(name, specOf(command, name))), HELP],
    operand: operandValues(command),
    first: command.operand?.first,
  }));
}

function completedOption(
  name: string,
  { alias, describe, type, value, choices }: OptionSpec,
): CompletedOption {
  const values = type === 'boolean' ? 'none' : (choices ?? valuesCalled(value));
  return { name, alias, describe, values };
}

function operandValues({ operand }: CommandSpec): Values {
  if (!operand) return 'none';
  return operand.choices ?? valuesCalled(operand.rest ?? operand.name);
}

function valuesCalled(name: string): Values {
  if (name === 'REF') return 'models';
  if (name === 'ID') return 'sessions';
  return name === 'FILE' ? 'files' : 'any';
}

/** The options of all commands, each once: a name means the same everywhere. */
export function allOptions(commands: readonly CompletedCommand[]): CompletedOption[] {
  return [
    ...new Map(commands.flatMap(({ options }) => options.map((option) => [option.name, option]))).values(),
  ];
}
