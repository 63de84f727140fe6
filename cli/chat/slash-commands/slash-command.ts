/** The type of slash commands, and functions they share. The table in index.ts drives help, completion and dispatch. */
import stringWidth from 'string-width';
import { nearest } from '../../../core/near-miss.ts';
import { UserError } from '../../../errors.ts';
import { wrapLines } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import type { Choice, ChoiceList } from '../choices.ts';
import type { Dialogue } from '../dialogue.ts';

/** Cells left of, between and right of the two columns. */
const GAPS = 5;
/** A narrower right column is printed below the left one. */
const NARROW = 16;

export interface SlashCommand {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** Syntax of its arguments, for help: "[TURN]". */
  readonly args?: string;
  readonly summary: string; // fits a row of 80 columns beside the syntax
  /** A sentence that /help COMMAND adds. */
  readonly details?: string;
  readonly group: Group;
  /** Works while an answer is generated, too. */
  readonly anytime?: true;
  /** Suggestions for the argument that begins with `prefix`. `before` has the arguments before it: none, unless `many`. */
  complete?(
    context: CommandContext,
    prefix: string,
    before: readonly string[],
  ): readonly Suggestion[] | Promise<readonly Suggestion[]>;
  /** Later arguments are completed, too. */
  readonly many?: true;
  run(context: CommandContext, args: string): void | Promise<void>;
}

export const GROUPS = ['Conversation', 'Sessions', 'Model', 'Insight', 'Screen'] as const;
export type Group = (typeof GROUPS)[number];

export interface Suggestion {
  readonly value: string;
  readonly detail?: string;
  /** More follows, as after a folder, so no space is added. */
  readonly partial?: boolean;
}

export interface CommandContext {
  readonly dialogue: Dialogue;
  readonly screen: Screen;
  readonly theme: Theme;
  readonly commands: readonly SlashCommand[];
}

/** The part of a frontend that commands use. */
export interface Screen {
  readonly columns: number;
  /** Lets the user choose from a list that is not empty. Undefined if they leave it. */
  choose(list: ChoiceList): Promise<Choice | undefined>;
  /** Puts text into the editor; the next submit goes to `send`. Returns false without an editor. */
  compose(text: string, send?: (text: string) => void): boolean;
  /** Copies to the clipboard of the terminal. Returns false if there is none. */
  copy(text: string): boolean;
  clear(): void;
  exit(): void;
  /** Shows answers as Markdown source or rendered, or toggles between them. Absent where only source can be shown. */
  showSource?(on: boolean | undefined): boolean;
  /** Opens the inspector on the last answer. Returns false if only lines can be printed. */
  inspect(inspection: 'alternatives' | 'attention', token?: number): boolean;
  /** Shows a race. Absent if only lines can be printed. */
  race?(contenders: readonly [string, string], prompt: string): void;
}

/** Prints the output of a command. */
export function print({ dialogue }: CommandContext, lines: readonly string[]): void {
  dialogue.transcript.add({ kind: 'output', lines });
}

export function say({ dialogue }: CommandContext, text: string): void {
  dialogue.transcript.add({ kind: 'notice', text });
}

/** Two columns: the left one as wide as its longest cell, the right one wrapped beside it. */
export function rows(
  { screen }: Pick<CommandContext, 'screen'>,
  entries: readonly (readonly [left: string, right: string])[],
): string[] {
  const left = Math.max(0, ...entries.map(([text]) => stringWidth(text)));
  const width = screen.columns - left - GAPS;
  if (width < NARROW) return entries.flatMap(([text, right]) => [`  ${text}`, `    ${right}`]);
  return entries.flatMap(([text, right]) =>
    wrapLines(right, width).map((line, i) => {
      const shown = i === 0 ? text : '';
      return `  ${shown}${' '.repeat(left - stringWidth(shown))}  ${line}`.trimEnd();
    }),
  );
}

export function usage(expected: string, hint: string): UserError {
  return new UserError(expected, hint, { kind: 'usage' });
}

/** Parses a number. Throws UserError (usage) if `text` is not a whole number from `least` to `most`. */
export function numberIn(text: string, [least, most]: readonly [number, number], what: string): number {
  const number = Number(text);
  if (text !== '' && Number.isInteger(number) && number >= least && number <= most) return number;
  if (most < least) throw usage(`There is not yet ${what} to choose.`, 'Ask something first.');
  throw usage(
    `Expected the number of ${what}, from ${least} to ${most}, got "${text}".`,
    'The list shows the numbers.',
  );
}

/** The loaded model. Throws UserError if there is none. */
export function loadedModel({ dialogue }: CommandContext) {
  if (dialogue.loaded) return dialogue.loaded;
  throw usage('No model is loaded.', 'Load one: /model REF. /model lists the models on this machine.');
}

export function commandNamed({ commands }: CommandContext, name: string): SlashCommand | undefined {
  return commands.find((command) => command.name === name || command.aliases?.includes(name));
}

export function unknownCommand({ commands }: CommandContext, name: string): UserError {
  const near = nearest(
    name,
    commands.flatMap((command) => [command.name, ...(command.aliases ?? [])]),
  );
  return usage(
    `There is no command /${name}.`,
    near
      ? `Did you mean /${near}?`
      : '/help lists them. To send a message that begins with a slash, put a space before it.',
  );
}
