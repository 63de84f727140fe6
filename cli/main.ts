/** The program: parse arguments, resolve settings, run one command, exit with its code. */
import { directories } from '../core/directories.ts';
import { UserError } from '../errors.ts';
import { type Invocation, optionsOf, parseArguments } from './arguments/arguments.ts';
import { camelCase, type Options } from './arguments/options.ts';
import {
  findProjectFile,
  projectNotice,
  resolveSettings,
  type Settings,
  userFile,
} from './arguments/settings.ts';
import { strayVariables } from './arguments/stray-variables.ts';
import type { Call } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { clearGreeting, readGreeting } from './greeting.ts';
import { exitCodeOf, Output, type OutputOptions, unwritable } from './output.ts';
import { Interruption } from './signals.ts';
import { stdinIsTerminal } from './stdin.ts';
import { assumeSize } from './terminal/assumed-size.ts';

const args = process.argv.slice(2);
const interruption = new Interruption();
exitIfReaderIsGone();
assumeSize(process.stdout);
assumeSize(process.stderr);

let output = new Output(optionsForErrors());
let exitCode = 0;
try {
  await main();
} catch (error) {
  await output.control(readGreeting().erase);
  if (interruption.exitCode === undefined) await output.error(error);
  exitCode = exitCodeOf(error);
}
await output.drained();
process.exit(interruption.exitCode ?? (exitCode || process.exitCode));

/** Options that count before all are parsed, and if that fails. */
function optionsForErrors(): OutputOptions {
  const end = args.indexOf('--');
  const words = new Set(end < 0 ? args : args.slice(0, end));
  const [debug, noColor, json, jsonl] = ['--debug', '--no-color', '--json', '--jsonl'].map((word) =>
    words.has(word),
  );
  return { debug, noColor, json, jsonl };
}

async function main(): Promise<void> {
  const invocation = asChat(await parseArguments(args, COMMANDS));
  const { command, operands, help } = invocation;
  if (help) return output.print(await helpFor(invocation));
  if (args.length === 0 && stdinIsTerminal() && !process.stdout.isTTY) {
    const { shortHelp } = await import('./arguments/help.ts');
    return output.print(shortHelp(output.style, COMMANDS));
  }
  checkResume(invocation);
  const settings = settingsOf(invocation);
  const options = Object.fromEntries(
    [...settings].map(([name, { value }]) => [camelCase(name), value]),
  ) as Options;
  output = new Output(options);
  await announceVariables();
  await announceProject(invocation, settings);
  const run = await command.load();
  await run({
    operands,
    options,
    settings,
    output,
    abortable: (work) => interruption.during(work),
    commands: COMMANDS,
  } satisfies Call);
}

/** On a terminal, options without a prompt start a chat, if chat takes them all. */
function asChat(invocation: Invocation): Invocation {
  const { implied, operands, flags, help } = invocation;
  if (!implied || help || operands.length > 0 || !stdinIsTerminal() || !process.stdout.isTTY)
    return invocation;
  const chat = COMMANDS.find(({ name }) => name === 'chat')!;
  const known = new Set(optionsOf(chat));
  return [...flags.keys()].every((name) => known.has(name)) ? { ...invocation, command: chat } : invocation;
}

/** Only a chat on a terminal lets the user choose a conversation. Throws UserError (usage) elsewhere. */
function checkResume({ command, flags }: Invocation): void {
  if (flags.get('resume')?.value !== '') return;
  const isScreen = stdinIsTerminal() && process.stdout.isTTY;
  if (command.name === 'chat' && isScreen && !flags.has('json') && !flags.has('jsonl')) return;
  throw new UserError(
    isScreen
      ? 'Only a chat lets you choose a conversation.'
      : 'There is no terminal to choose a conversation on.',
    'Name one: --resume ID. percept sessions lists the ids; -c continues the last one.',
    { kind: 'usage' },
  );
}

/** The settings that the command takes, from all sources. An error in a file must not stop the command that mends it. */
function settingsOf({ command, flags, operands }: Invocation): Settings {
  const known = new Set(optionsOf(command));
  const isChange = command.name === 'config' && operands.length > 0;
  const all = resolveSettings({
    flags,
    env: process.env,
    projectFile: isChange ? undefined : findProjectFile(workingFolder()),
    userFile: isChange ? undefined : userFile(),
  });
  return new Map([...all].filter(([name]) => known.has(name)));
}

/** Undefined if it has been deleted, or this user may not know where it is. */
function workingFolder(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/** Notes the variables that look like settings and are none. */
async function announceVariables(): Promise<void> {
  const notes = strayVariables(process.env);
  if (notes.length > 0) await clearGreeting(output);
  for (const note of notes) output.note(note);
}

/** Notes which settings come from a project's file. Throws UserError if it names a model that it must not name. */
async function announceProject({ command, operands }: Invocation, settings: Settings): Promise<void> {
  const notice = projectNotice(settings);
  if (notice === undefined) return;
  await clearGreeting(output);
  output.note(notice);
  if (command.name === 'config') return; // shows references, uses none
  const { checkProjectReferences } = await import('./arguments/project-reference.ts');
  const isNamed = command.operand?.name === 'REF' && operands.length > 0;
  checkProjectReferences(settings, directories(), isNamed ? ['draft'] : ['model', 'draft']);
}

async function helpFor({ command, implied, help }: Invocation): Promise<string> {
  const { commandHelp, fullHelp, shortCommandHelp, shortHelp } = await import('./arguments/help.ts');
  const { style } = output;
  if (help === 'short') return implied ? shortHelp(style, COMMANDS) : shortCommandHelp(style, command);
  return implied ? fullHelp(style, COMMANDS) : commandHelp(style, command);
}

/** `percept ... | head -1`: a closed pipe ends the program without an error; a full disk does not. */
function exitIfReaderIsGone(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') output.error(unwritable(error));
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  process.stderr.on('error', () => {}); // losing notes must not lose the answer
}
