/** What a slash command is. The table of all is in index.ts; help, completion and dispatch are made from it. */
import stringWidth from 'string-width';
import { nearest } from '../../../core/near-miss.ts';
import { UserError } from '../../../errors.ts';
import { wrapLines } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import type { Dialogue } from '../dialogue.ts';

/** Columns before, between and behind two columns. */
const GAPS = 5;
/** A right column that is narrower stands below the left one. */
const NARROW = 16;

export interface SlashCommand {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** How its arguments are written, for help: "[TURN]". */
  readonly args?: string;
  readonly summary: string;
  readonly group: Group;
  /** Can be used while an answer comes. */
  readonly anytime?: true;
  /** What may stand as the argument that begins with `prefix`. */
  complete?(context: CommandContext, prefix: string): readonly Suggestion[] | Promise<readonly Suggestion[]>;
  run(context: CommandContext, args: string): void | Promise<void>;
}

export const GROUPS = ['Conversation', 'Sessions', 'Model', 'Insight', 'Screen'] as const;
export type Group = (typeof GROUPS)[number];

export interface Suggestion {
  readonly value: string;
  readonly detail?: string;
}

export interface CommandContext {
  readonly dialogue: Dialogue;
  readonly screen: Screen;
  readonly theme: Theme;
  /** All there are. */
  readonly commands: readonly SlashCommand[];
}

/** What a command asks of whatever shows the chat. */
export interface Screen {
  readonly columns: number;
  /** Puts text before the user, who goes on writing it; false where that cannot be. What is sent then goes to `send`. */
  compose(text: string, send?: (text: string) => void): boolean;
  /** Into the clipboard of the terminal; false where there is none. */
  copy(text: string): boolean;
  clear(): void;
  exit(): void;
  /** Shows answers as Markdown source or rendered, or toggles between them. Absent where only source can be shown. */
  showSource?(on: boolean | undefined): boolean;
  /** Opens a look into the tokens of an answer; false where lines have to do. */
  inspect(inspection: 'alternatives' | 'attention', token?: number): boolean;
  /** Shows two engines at the same prompt; undefined where lines have to do. */
  race?(contenders: readonly [string, string], prompt: string): void;
}

/** Prints lines that a command has found. */
export function print({ dialogue }: CommandContext, lines: readonly string[]): void {
  dialogue.transcript.add({ kind: 'output', lines });
}

export function say({ dialogue }: CommandContext, text: string): void {
  dialogue.transcript.add({ kind: 'notice', text });
}

/** The left column is as wide as its longest cell, the right one is wrapped beside it. */
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

/** The number that `text` is. Throws UserError of kind usage for one out of range, or none. */
export function numberIn(text: string, [least, most]: readonly [number, number], what: string): number {
  const number = Number(text);
  if (text !== '' && Number.isInteger(number) && number >= least && number <= most) return number;
  const range = most < least ? 'there are none yet' : `a whole number from ${least} to ${most}`;
  throw usage(`Expected the number of ${what}, ${range}, got "${text}".`, 'The list shows the numbers.');
}

/** The model that is loaded. Throws UserError while there is none. */
export function loadedModel({ dialogue }: CommandContext) {
  if (dialogue.loaded) return dialogue.loaded;
  throw usage(
    'Expected a model, but none is loaded.',
    'Load one: /model REF; /model lists those on this machine.',
  );
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
      : '/help lists them. A message that begins with a slash goes behind a space.',
  );
}
