/** The way through the program: arguments, settings, one command, exit code. */
import { join } from 'node:path';
import { directories } from '../core/directories.ts';
import { type Invocation, optionsOf, parseArguments } from './arguments.ts';
import { type Call, COMMANDS } from './commands.ts';
import { clearWay, takeGreeting } from './greeting.ts';
import { commandHelp, fullHelp, shortHelp } from './help.ts';
import { camelCase, type Options } from './options.ts';
import { exitCodeOf, Output } from './output.ts';
import { findProjectFile, projectNotice, resolveSettings, type Settings } from './settings.ts';
import { Interruption } from './signals.ts';

const args = process.argv.slice(2);
const interruption = new Interruption();
endQuietlyWithoutReader();

let output = new Output({ debug: args.includes('--debug'), noColor: args.includes('--no-color') });
let exitCode = 0;
try {
  await main();
} catch (error) {
  await output.print(takeGreeting().erase);
  if (interruption.exitCode === undefined) output.error(error);
  exitCode = exitCodeOf(error);
}
await output.drained();
process.exit(interruption.exitCode ?? (exitCode || process.exitCode));

async function main(): Promise<void> {
  const invocation = asChat(await parseArguments(args));
  const { command, operands, help } = invocation;
  if (help) return output.print(helpFor(invocation));
  if (args.length === 0 && process.stdin.isTTY && !process.stdout.isTTY) {
    return output.print(shortHelp(output.style));
  }
  const settings = settingsOf(invocation);
  const options = Object.fromEntries(
    [...settings].map(([name, { value }]) => [camelCase(name), value]),
  ) as Options;
  output = new Output(options);
  await tellOfProject(invocation, settings);
  const run = await command.load();
  await run({
    operands,
    options,
    settings,
    output,
    abortable: (work) => interruption.during(work),
  } satisfies Call);
}

/** Options alone, where a person sits at a terminal, are those of a chat. */
function asChat(invocation: Invocation): Invocation {
  const { implied, operands, flags, help } = invocation;
  if (!implied || help || operands.length > 0 || !process.stdin.isTTY || !process.stdout.isTTY)
    return invocation;
  const chat = COMMANDS.find(({ name }) => name === 'chat')!;
  const known = new Set(optionsOf(chat));
  return [...flags.keys()].every((name) => known.has(name)) ? { ...invocation, command: chat } : invocation;
}

/** What the command takes, from wherever it comes. */
function settingsOf({ command, flags }: Invocation): Settings {
  const known = new Set(optionsOf(command));
  const all = resolveSettings({
    flags,
    env: process.env,
    projectFile: findProjectFile(process.cwd()),
    userFile: join(directories().config, 'config.json'),
  });
  return new Map([...all].filter(([name]) => known.has(name)));
}

/** Says that a project's file has a say. Throws UserError where it names a model that it may not have fetched. */
async function tellOfProject({ command, operands }: Invocation, settings: Settings): Promise<void> {
  const notice = projectNotice(settings);
  if (notice === undefined) return;
  await clearWay(output);
  output.note(notice);
  if (command.name === 'config') return; // shows references, uses none
  const { checkProjectReferences } = await import('./project-reference.ts');
  const isNamed = command.operand?.name === 'REF' && operands.length > 0;
  checkProjectReferences(settings, directories(), isNamed ? ['draft'] : ['model', 'draft']);
}

function helpFor({ command, implied }: Invocation): string {
  return implied ? fullHelp(output.style) : commandHelp(output.style, command);
}

/** `percept ... | head -1`: when nobody reads on, there is nothing left to do and nothing wrong. */
function endQuietlyWithoutReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  process.stderr.on('error', () => {}); // nobody reads the notes: the answer still counts
}
