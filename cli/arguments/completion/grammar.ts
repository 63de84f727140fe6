/** The completions of every command and option, derived from the tables. One file a shell turns them into a script. */
import { SAMPLER_NAMES } from '../../../core/sampler/parameters.ts';
import type { CommandSpec } from '../../command.ts';
import { optionsOf, specOf } from '../arguments.ts';
import type { OptionSpec } from '../options.ts';

/**
 * none: takes no value; any: takes a value that cannot be completed; models: known names and files; pulled: names of models
 * on this machine; a list in `list` has several of its words, joined by commas.
 */
export type Values =
  | 'none'
  | 'any'
  | 'files'
  | 'models'
  | 'pulled'
  | 'sessions'
  | readonly string[]
  | { readonly list: readonly string[] };

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
  /** Choices for the first operand, if it differs from the later ones. */
  readonly first?: readonly string[];
}

/** Prints the names of models, one a line. The scripts run it for each completion. */
export const MODEL_NAMES = 'percept list --names --quiet';
export const PULLED_NAMES = 'percept list --names --pulled --quiet';
/** Prints the ids of sessions, one a line. */
export const SESSION_IDS = 'percept sessions --names --quiet';

export const HELP: CompletedOption = { name: 'help', alias: 'h', describe: 'show help', values: 'none' };

/** In the order of `commands`: the first one is the default of `percept`. */
export function completedCommands(commands: readonly CommandSpec[]): CompletedCommand[] {
  const completed = commands.map((command) => ({
    name: command.name,
    summary: command.summary,
    options: [...optionsOf(command).map((name) => completedOption(name, specOf(command, name))), HELP],
    operand: operandValues(command),
    first: command.operand?.first,
  }));
  const names = commands.map(({ name }) => name);
  return [...completed, { name: 'help', summary: 'help of a command', options: [], operand: names }];
}

function completedOption(
  name: string,
  { alias, describe, type, value, choices }: OptionSpec,
): CompletedOption {
  const values = type === 'boolean' ? 'none' : (choices ?? valuesCalled(value));
  return { name, alias, describe, values: name === 'samplers' ? { list: SAMPLER_NAMES } : values };
}

function operandValues({ operand }: CommandSpec): Values {
  if (!operand) return 'none';
  const { choices, rest, name } = operand;
  return choices ?? (typeof rest === 'object' ? rest : valuesCalled(rest ?? name));
}

function valuesCalled(name: string): Values {
  if (name === 'REF') return 'models';
  if (name === 'PULLED') return 'pulled';
  if (name === 'ID') return 'sessions';
  return name === 'FILE' ? 'files' : 'any';
}

/** The options of all commands, each once. A name has the same values in every command. */
export function allOptions(commands: readonly CompletedCommand[]): CompletedOption[] {
  return [
    ...new Map(commands.flatMap(({ options }) => options.map((option) => [option.name, option]))).values(),
  ];
}
