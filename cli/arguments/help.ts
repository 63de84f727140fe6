/** Help texts, derived from the tables. Examples come first. */
import type { CommandSpec } from '../command.ts';
import { EXIT_CODE_MEANINGS, type Output } from '../output.ts';
import { wrapWords } from '../terminal/text/wrap.ts';
import { optionsOf, specOf } from './arguments.ts';
import { OPTION_GROUPS, type OptionName, type OptionSpec, variableOf } from './options.ts';
import { PROJECT_FILE } from './settings.ts';

type Style = Output['style'];
type Row = readonly [left: string, right: string];

/** For `percept` alone: usage, examples and commands. */
export function shortHelp(style: Style, commands: readonly CommandSpec[]): string {
  const more = 'percept --help shows every option, percept COMMAND --help those of a command.';
  return page(...introduction(style, commands), more);
}

/** For `percept --help`: also the options of the default command, exit codes and environment variables. */
export function fullHelp(style: Style, commands: readonly CommandSpec[]): string {
  const exitCodes = EXIT_CODE_MEANINGS.map(([code, meaning]) => [`${code}`, meaning] as const);
  return page(
    ...introduction(style, commands),
    ...optionSections(style, commands[0]!),
    section(style, 'Exit codes', rows(exitCodes)),
    section(style, 'Environment', rows(environment())),
  );
}

export function commandHelp(style: Style, command: CommandSpec): string {
  return page(
    sentence(command.summary),
    section(style, 'Usage', [`percept ${signature(command)} [options]`]),
    section(style, 'Examples', rows(command.examples)),
    ...optionSections(style, command),
  );
}

function page(...sections: readonly string[]): string {
  return `${sections.join('\n\n')}\n`;
}

function introduction(style: Style, commands: readonly CommandSpec[]): string[] {
  return [
    'percept runs language models in the terminal.',
    section(style, 'Usage', ['percept [prompt..]', 'percept COMMAND']),
    section(style, 'Examples', rows(commands[0]!.examples)),
    section(style, 'Commands', rows(commands.map((command) => [signature(command), command.summary]))),
  ];
}

function sentence(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`;
}

export function signature({ name, operand }: CommandSpec): string {
  if (!operand) return name;
  const many = operand.many ? `${operand.name}..` : operand.name;
  return operand.required ? `${name} ${many}` : `${name} [${many}]`;
}

function optionSections(style: Style, command: CommandSpec): string[] {
  const taken = optionsOf(command);
  const sections = Object.entries(OPTION_GROUPS).flatMap(([title, group]) => {
    const names = taken.filter((name) => name in group);
    return names.length > 0
      ? [section(style, title, rows(names.map((name) => optionRow(name, specOf(command, name)))))]
      : [];
  });
  return [...sections, section(style, 'Help', rows([['-h, --help', 'show this'], ...versionRow(command)]))];
}

function versionRow(command: CommandSpec): Row[] {
  return command.name === 'run' ? [['-v, --version', 'show the version']] : [];
}

export function optionRow(
  name: OptionName,
  { alias, value, list, optional, choices, describe, default: fallback }: OptionSpec,
): Row {
  const shown = `${choices ? choices.join('|') : value}${list ? ',..' : ''}`;
  const left = `${alias ? `-${alias}, ` : '    '}--${name}${shown ? ` ${optional ? `[${shown}]` : shown}` : ''}`;
  return [left, fallback === undefined ? describe : `${describe} (default: ${fallback})`];
}

export function environment(): Row[] {
  return [
    ['PERCEPT_HOME', 'folder of all files that percept keeps, instead of the usual folders'],
    [variableOf('max-tokens'), 'every setting has such a variable; percept config lists the settings'],
    ['NO_COLOR', 'no colours; FORCE_COLOR overrides it'],
    ['HF_TOKEN, HTTPS_PROXY', 'used when a model is pulled'],
    ['', `flags override variables, these override ${PROJECT_FILE}, that overrides the user's config.json`],
  ];
}

function section(style: Style, title: string, lines: readonly string[]): string {
  return [style.heading(`${title}:`), ...lines.map((line) => `  ${line}`)].join('\n');
}

/** Two columns. The right one is wrapped to the width of the terminal. */
function rows(entries: readonly Row[]): string[] {
  const indent = Math.max(...entries.map(([left]) => left.length)) + 2;
  const width = Math.max(30, Math.min(process.stdout.columns ?? 100, 110) - indent - 2);
  return entries.flatMap(([left, right]) =>
    wrapWords(right, width).map((line, i) => `${(i === 0 ? left : '').padEnd(indent)}${line}`.trimEnd()),
  );
}
