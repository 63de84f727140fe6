/** The manual page percept(1), made from the tables. Macros: man(7). */
import type { CommandSpec } from '../command.ts';
import { EXIT_CODE_MEANINGS } from '../output.ts';
import { optionsOf, specOf } from './arguments.ts';
import { environment, groupsOf, optionGroups, optionRow, signature } from './help.ts';
import type { OptionName } from './options.ts';

type Row = readonly [left: string, right: string];
type Group = readonly [title: string, rows: readonly Row[]];

export function manPage(commands: readonly CommandSpec[], version: string): string {
  const [run, ...others] = commands;
  return [
    `.TH PERCEPT 1 "" "percept ${version}" "User Commands"`,
    section('NAME', text('percept - run language models in the terminal')),
    section('SYNOPSIS', paragraphs(['percept [prompt..]', 'percept COMMAND [options]'])),
    section('DESCRIPTION', text(DESCRIPTION)),
    section('EXAMPLES', list(run!.examples)),
    section('COMMANDS', subsections(commandGroups(commands))),
    section('OPTIONS', subsections(optionGroups(run!))),
    ...others.map((command) => section(`PERCEPT ${command.name.toUpperCase()}`, commandText(command, run!))),
    section('EXIT STATUS', list(EXIT_CODE_MEANINGS.map(([code, meaning]) => [`${code}`, meaning]))),
    section('ENVIRONMENT', list(environment())),
    '',
  ].join('\n');
}

const DESCRIPTION =
  'percept runs transformer models on this machine. With a prompt it answers; alone on a terminal it opens a chat. ' +
  'Nothing leaves the machine but downloads that you ask for. The options below are those of percept and percept run; ' +
  'other commands name theirs, and describe those that differ.';

function commandText(command: CommandSpec, run: CommandSpec): string {
  const shared = new Set<OptionName>(optionsOf(run));
  const names = optionsOf(command);
  const own = names.filter((name) => !shared.has(name) || command.variants?.[name]);
  const others = names.filter((name) => !own.includes(name)).map((name) => `--${name}`);
  return [
    text(`${command.summary}: percept ${signature(command)}`),
    list(command.examples),
    list(own.map((name) => optionRow(name, specOf(command, name)))),
    ...(others.length > 0 ? ['.PP', text(`As above: ${others.join(', ')}.`)] : []),
  ].join('\n');
}

function commandGroups(commands: readonly CommandSpec[]): Group[] {
  return groupsOf(commands).map(([title, group]) => [
    title,
    group.map((command): Row => [signature(command), command.summary]),
  ]);
}

function subsections(groups: readonly Group[]): string {
  return groups.map(([title, rows]) => `.SS ${roff(title)}\n${list(rows)}`).join('\n');
}

function section(title: string, body: string): string {
  return `.SH ${roff(title)}\n${body}`;
}

function list(rows: readonly Row[]): string {
  return rows.map(([left, right]) => `.TP\n.B ${roff(left.trim())}\n${text(right)}`).join('\n');
}

function paragraphs(lines: readonly string[]): string {
  return lines.map(text).join('\n.br\n');
}

/** A line of text. One that begins with a control character of roff would be a request. */
function text(line: string): string {
  return roff(line).replace(/^[.']/, '\\&$&');
}

/** Backslashes and hyphens as they are; others would be escapes, and hyphens that cannot be copied. */
function roff(line: string): string {
  return line.replace(/\\/g, '\\e').replace(/-/g, '\\-').replace(/"/g, '\\(dq');
}
