/** Help texts, derived from the tables: `-h` has what is used most, `--help` all. Examples come first. */
import { COMMAND_GROUPS, type CommandSpec } from '../command.ts';
import { EXIT_CODE_MEANINGS, type Output } from '../output.ts';
import { wrapWords } from '../terminal/text/wrap.ts';
import { optionsOf, specOf } from './arguments.ts';
import { OPTION_GROUPS, type OptionName, type OptionSpec, variableOf } from './options.ts';
import { PROJECT_FILE } from './settings.ts';

type Style = Output['style'];
type Row = readonly [left: string, right: string];

const FEW_EXAMPLES = 3;
const FEW_OPTIONS = 14;
const MOST_COLUMNS = 110;

/** For `percept -h`: usage, examples, names of commands, the options used most. */
export function shortHelp(style: Style, commands: readonly CommandSpec[]): string {
  const [run] = commands;
  const groups = groupsOf(commands).map(
    ([title, group]) => [title, group.map(({ name }) => name).join(', ')] as const,
  );
  return page(
    ...heading(style),
    section(style, 'Examples', rows(run!.examples.slice(0, FEW_EXAMPLES))),
    section(style, 'Commands', rows(groups)),
    section(style, 'Options', rows(briefOptions(run!))),
    paragraph('percept --help shows all; percept COMMAND -h those of a command.'),
  );
}

/** For `percept --help`: also the options of the default command, exit codes and environment variables. */
export function fullHelp(style: Style, commands: readonly CommandSpec[]): string {
  const [run] = commands;
  const exitCodes = EXIT_CODE_MEANINGS.map(([code, meaning]) => [`${code}`, meaning] as const);
  const summaries = groupsOf(commands).flatMap(([title, group]): Row[] => [
    [title, ''],
    ...group.map((command): Row => [`  ${signature(command)}`, command.summary]),
  ]);
  return page(
    ...heading(style),
    section(style, 'Examples', rows(run!.examples)),
    section(style, 'Commands', rows(summaries)),
    ...optionSections(style, run!),
    section(style, 'Exit codes', rows(exitCodes)),
    section(style, 'Environment', rows(environment())),
  );
}

/** For `percept COMMAND -h`: all that `commandHelp` has if the command has few options. */
export function shortCommandHelp(style: Style, command: CommandSpec): string {
  if (hasFewOptions(command)) return commandHelp(style, command);
  return page(
    ...commandHeading(style, command),
    section(style, 'Options', rows(briefOptions(command))),
    paragraph(`percept ${command.name} --help shows all options.`),
  );
}

export function commandHelp(style: Style, command: CommandSpec): string {
  return page(...commandHeading(style, command), ...optionSections(style, command));
}

/** Whether `-h` and `--help` show the same. */
function hasFewOptions(command: CommandSpec): boolean {
  return optionsOf(command).length <= FEW_OPTIONS;
}

/** The groups that have commands, in order. */
export function groupsOf(
  commands: readonly CommandSpec[],
): (readonly [title: string, commands: readonly CommandSpec[]])[] {
  return COMMAND_GROUPS.map(
    (title) => [title, commands.filter(({ group }) => group === title)] as const,
  ).filter(([, group]) => group.length > 0);
}

/** The options of a command by group, in order; groups without any are left out. */
export function optionGroups(command: CommandSpec): [title: string, options: readonly Row[]][] {
  const taken = optionsOf(command);
  return Object.entries(OPTION_GROUPS).flatMap(([title, group]) => {
    const names = taken.filter((name) => name in group);
    return names.length > 0 ? [[title, names.map((name) => optionRow(name, specOf(command, name)))]] : [];
  });
}

function page(...sections: readonly string[]): string {
  return `${sections.join('\n\n')}\n`;
}

function heading(style: Style): string[] {
  return [
    'percept runs language models in the terminal.',
    section(style, 'Usage', ['percept [prompt..]', 'percept COMMAND']),
  ];
}

function commandHeading(style: Style, command: CommandSpec): string[] {
  return [
    paragraph(sentence(command.summary)),
    section(style, 'Usage', [`percept ${signature(command)} [options]`]),
    section(style, 'Examples', rows(command.examples)),
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

/** Without choices, which take the room of the descriptions. */
function briefOptions(command: CommandSpec): Row[] {
  const specs = optionsOf(command).map((name) => [name, specOf(command, name)] as const);
  return specs
    .filter(([, { brief }]) => brief)
    .map(([name, spec]) => optionRow(name, { ...spec, choices: undefined }));
}

function optionSections(style: Style, command: CommandSpec): string[] {
  const sections = optionGroups(command).map(([title, options]) => section(style, title, rows(options)));
  const help: Row[] = hasFewOptions(command)
    ? [['-h, --help', 'show this']]
    : [
        ['-h', 'show what is used most'],
        ['    --help', 'show this'],
      ];
  return [...sections, section(style, 'Help', rows([...help, ...versionRow(command)]))];
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

function columns(): number {
  return Math.min(process.stdout.columns || 100, MOST_COLUMNS);
}

function paragraph(text: string): string {
  return wrapWords(text, columns()).join('\n');
}

/**
 * Two columns, after an indent of two. The right one is wrapped to the width of the terminal; it starts below a left
 * one that leaves it less than half of the width.
 */
function rows(entries: readonly Row[]): string[] {
  const width = columns() - 2;
  const most = Math.max(Math.floor(width / 2), 24);
  const indent = Math.max(...entries.map(([left]) => left.length).filter((length) => length < most), 4) + 2;
  return entries.flatMap(([left, right]) => {
    const lines = wrapWords(right, Math.max(width - indent, 20));
    const below = left.length + 2 > indent && right !== '';
    const [first, ...more] = below ? ['', ...lines] : lines;
    return [left.padEnd(indent) + first, ...more.map((line) => ' '.repeat(indent) + line)].map((line) =>
      line.trimEnd(),
    );
  });
}
