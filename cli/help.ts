/** Help, made from the tables: examples first. */
import { optionsOf } from './arguments.ts';
import { COMMANDS, type CommandSpec, specOf } from './commands.ts';
import { OPTION_GROUPS, type OptionName, type OptionSpec, variableOf } from './options.ts';
import { EXIT_CODE_MEANINGS, type Output } from './output.ts';
import { PROJECT_FILE } from './settings.ts';

type Style = Output['style'];
type Row = readonly [left: string, right: string];

/** For `percept` alone: what it is and how to begin. */
export function shortHelp(style: Style): string {
  const more = 'percept --help shows every option, percept COMMAND --help those of a command.';
  return page(...introduction(style), more);
}

/** For `percept --help`: all there is to know, the options of `run` included. */
export function fullHelp(style: Style): string {
  const exitCodes = EXIT_CODE_MEANINGS.map(([code, meaning]) => [`${code}`, meaning] as const);
  return page(
    ...introduction(style),
    ...optionSections(style, COMMANDS[0]!),
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

function introduction(style: Style): string[] {
  return [
    'percept runs language models in the terminal.',
    section(style, 'Usage', ['percept [prompt..]', 'percept COMMAND']),
    section(style, 'Examples', rows(COMMANDS[0]!.examples)),
    section(style, 'Commands', rows(COMMANDS.map((command) => [signature(command), command.summary]))),
  ];
}

function sentence(summary: string): string {
  return `${summary[0]!.toUpperCase()}${summary.slice(1)}.`;
}

function signature({ name, operand }: CommandSpec): string {
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

function optionRow(
  name: OptionName,
  { alias, value, list, choices, describe, default: fallback }: OptionSpec,
): Row {
  const shown = `${choices ? choices.join('|') : value}${list ? ',..' : ''}`;
  const left = `${alias ? `-${alias}, ` : '    '}--${name}${shown ? ` ${shown}` : ''}`;
  return [left, fallback === undefined ? describe : `${describe} (default: ${fallback})`];
}

function environment(): Row[] {
  return [
    ['PERCEPT_HOME', 'folder for everything percept keeps, instead of the usual ones'],
    [variableOf('max-tokens'), 'a variable like this for each setting; percept config lists them'],
    ['NO_COLOR', 'no colours; FORCE_COLOR wins over it'],
    ['HF_TOKEN, HTTPS_PROXY', 'honoured when a model is pulled'],
    ['', `flags win over variables, these over ${PROJECT_FILE}, that over the user's config.json`],
  ];
}

function section(style: Style, title: string, lines: readonly string[]): string {
  return [style.heading(`${title}:`), ...lines.map((line) => `  ${line}`)].join('\n');
}

/** Two columns, the right one wrapped to the terminal. */
function rows(entries: readonly Row[]): string[] {
  const indent = Math.max(...entries.map(([left]) => left.length)) + 2;
  const width = Math.max(30, Math.min(process.stdout.columns ?? 100, 110) - indent - 2);
  return entries.flatMap(([left, right]) =>
    wrap(right, width).map((line, i) => `${(i === 0 ? left : '').padEnd(indent)}${line}`.trimEnd()),
  );
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines;
}
