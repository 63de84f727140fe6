/** The types of a command and of its call, and the groups of commands. Imports no command. */
import type { OptionName, OptionSpec, Options } from './arguments/options.ts';
import type { Settings } from './arguments/settings.ts';
import type { Output } from './output.ts';

/** The input of a command. Only cli/commands takes it whole; other modules take the fields that they need. */
export interface Call {
  readonly operands: readonly string[];
  readonly options: Options;
  /** The same options, each with its origin. */
  readonly settings: Settings;
  readonly output: Output;
  /** Runs work with a signal that Ctrl-C aborts. Outside such work Ctrl-C ends the process. */
  readonly abortable: <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** The table of all commands. */
  readonly commands: readonly CommandSpec[];
}

/** The streams, and a way to run work that Ctrl-C aborts. */
export type Context = Pick<Call, 'output' | 'abortable'>;

/** For help: the groups of commands, in order. */
export const COMMAND_GROUPS = ['Everyday', 'Models', 'For programs', 'This machine'] as const;

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  readonly group: (typeof COMMAND_GROUPS)[number];
  readonly operand?: {
    readonly name: string; // for completion REF is a model, ID a session, FILE a file
    readonly required?: true;
    readonly many?: true;
    readonly choices?: readonly string[];
    /** For completion: choices for the first operand, and the name or the choices of the later ones; PULLED is a model here. */
    readonly first?: readonly string[];
    readonly rest?: string | readonly string[];
  };
  readonly options: readonly OptionName[];
  /** Fields of an option that differ in this command. */
  readonly variants?: Readonly<Partial<Record<OptionName, Partial<OptionSpec>>>>;
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  readonly load: () => Promise<(call: Call) => Promise<void>>;
}
