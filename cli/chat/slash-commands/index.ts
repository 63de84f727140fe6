/** The table of slash commands, and how a line is parsed, run and completed. */
import { CONVERSATION } from './conversation.ts';
import { HELP } from './help.ts';
import { INSIGHT } from './insight.ts';
import { MODEL } from './model.ts';
import { SCREEN } from './screen.ts';
import { SESSIONS } from './sessions.ts';
import {
  type CommandContext,
  commandNamed,
  type SlashCommand,
  type Suggestion,
  say,
  unknownCommand,
} from './slash-command.ts';

export const SLASH_COMMANDS: readonly SlashCommand[] = [
  ...CONVERSATION,
  ...SESSIONS,
  ...MODEL,
  ...INSIGHT,
  HELP,
  ...SCREEN,
];

/** Whether a line is a command: a slash and a word, alone or with arguments. */
export function isCommand(line: string): boolean {
  return /^\/[a-z?]+(\s|$)/i.test(line);
}

/** Whether the command in a line waits while something runs. */
export function waitsForIdle(context: CommandContext, line: string): boolean {
  const [, name = ''] = /^\/(\S+)/.exec(line.trim()) ?? [];
  const command = commandNamed(context, name.toLowerCase());
  return command !== undefined && !command.anytime;
}

/** Runs the command in a line. Errors go to the transcript. */
export async function runCommand(context: CommandContext, line: string): Promise<void> {
  const { dialogue } = context;
  const [, name, args] = /^\/(\S+)\s*(.*)$/s.exec(line.trim())!;
  try {
    const command = commandNamed(context, name!.toLowerCase());
    if (!command) throw unknownCommand(context, name!);
    if (dialogue.busy && !command.anytime)
      return say(context, `/${command.name} has to wait until the present work is done; Esc stops it`);
    await command.run(context, args!.trim());
  } catch (error) {
    dialogue.transcript.add({ kind: 'error', error });
  }
}

/** Completions at the end of a command line: command names, then the arguments that the command suggests. */
export async function completeCommand(context: CommandContext, line: string): Promise<readonly Suggestion[]> {
  const [, name, space, argument] = /^\/(\S*)(\s*)(.*)$/s.exec(line) ?? [];
  if (name === undefined) return [];
  if (space === '')
    return context.commands.map((command) => ({ value: `/${command.name}`, detail: command.summary }));
  const words = argument!.split(/\s+/);
  const before = words.slice(0, -1);
  const command = commandNamed(context, name);
  if (before.length > 0 && !command?.many) return [];
  return (await command?.complete?.(context, words.at(-1)!, before)) ?? [];
}
