/** Parses argv into one invocation of one command: yargs splits the words, the tables check them. */
import { nearest } from '../../core/near-miss.ts';
import { UserError } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';
import { withEmptyValues, withMarks, withoutMark } from './dashes.ts';
import { asPrompt, helpAsOption, MODELS, refuseModel, refuseTypo } from './first-words.ts';
import { parseText } from './option-values.ts';
import { OPTIONS, type OptionName, type OptionSpec } from './options.ts';
import { hintForFlag } from './other-flags.ts';
import { inOwnWords } from './other-words.ts';
import type { Setting, Settings } from './settings.ts';

export interface Invocation {
  readonly command: CommandSpec;
  /** True if argv names no command. The operands are then a prompt. */
  readonly implied: boolean;
  readonly operands: readonly string[];
  readonly flags: Settings;
  /** The help that argv asks for, instead of the command. */
  readonly help?: 'short' | 'full';
}

/** Options that every command takes. */
const COMMON_OPTIONS: readonly OptionName[] = ['quiet', 'no-color', 'ascii', 'debug'];

const DASH_HINT = 'Put -- before text that begins with a dash.';

/** `--` has the words after it, if it is there. */
type Argv = Record<string, unknown> & { readonly _: readonly string[]; readonly '--'?: readonly string[] };

/**
 * @param commands the first one is the default
 * @throws UserError (usage) for a command or option that is not in the tables; the hint names the nearest one.
 */
export async function parseArguments(
  args: readonly string[],
  commands: readonly CommandSpec[],
): Promise<Invocation> {
  const own = inOwnWords(args, MODELS);
  return withoutYargs(own, commands) ?? withYargs(own, commands);
}

/** Parses no words, or a single word that names a command. Undefined for others. Loading yargs takes time. */
function withoutYargs(
  [name, ...more]: readonly string[],
  commands: readonly CommandSpec[],
): Invocation | undefined {
  const command = name === undefined ? commands[0] : commands.find((each) => each.name === name);
  if (!command || more.length > 0) return undefined;
  checkOperands(command, []);
  return { command, implied: name === undefined, operands: [], flags: new Map() };
}

async function withYargs(args: readonly string[], commands: readonly CommandSpec[]): Promise<Invocation> {
  const { default: yargs } = await import('yargs');
  let invocation: Invocation | undefined;
  const parser = yargs()
    .scriptName('percept')
    .help(false)
    .version(false)
    .detectLocale(false)
    .exitProcess(false);
  parser.parserConfiguration({
    'boolean-negation': false,
    'camel-case-expansion': false,
    'dot-notation': false,
    'parse-numbers': false,
    'parse-positional-numbers': false,
    'populate--': true,
  });
  parser.options({ help: { boolean: true }, h: { boolean: true } });
  for (const command of commands) {
    parser.command({
      command: command === commands[0] ? [command.name, '$0'] : command.name,
      describe: false,
      builder: (builder) =>
        builder.options(Object.fromEntries(optionsOf(command).map((name) => yargsOption(command, name)))),
      handler: (argv) => {
        invocation = checked(command, argv as unknown as Argv, commands);
      },
    });
  }
  parser.fail((message, error) => {
    throw error instanceof UserError ? error : missingValue(message);
  });
  const known = knownOptions(commands);
  const words = withMarks(withEmptyValues(helpAsOption(args, commands), known), known);
  const command = commands.find(({ name }) => name === words[0]) ?? commands[0]!;
  refuseOtherFlags(words, command);
  await parser.parseAsync(withPlainFlags(words, command));
  return invocation!;
}

/** Throws UserError (usage) for a flag of another program. yargs would take -ngl for three options. */
function refuseOtherFlags(words: readonly string[], command: CommandSpec): void {
  const end = words.indexOf('--');
  const own = new Set(['--help', '-h', ...optionsOf(command).flatMap((name) => wordsOf(command, name))]);
  const hasOption = (option: string) => own.has(option);
  for (const word of end < 0 ? words : words.slice(0, end)) {
    const flag = word.replace(/=.*/s, '');
    if (!/^-./.test(word) || hasOption(flag)) continue;
    const hint = hintForFlag(flag, command.name, hasOption);
    if (hint) throw noOption(command, flag, hint);
  }
}

/**
 * Writes --json=yes as --json=true, because yargs takes every value but true for false, and -m= as --model=, which yargs
 * takes for an option "=". Throws UserError (usage) for other values.
 */
function withPlainFlags(words: readonly string[], command: CommandSpec): readonly string[] {
  const names = new Map(
    optionsOf(command).flatMap((name) => wordsOf(command, name).map((word) => [word, name])),
  );
  const end = words.indexOf('--');
  return words.map((word, i) => {
    const [, flag = '', value = ''] = /^(--?[^=]+)=(.*)$/s.exec(word) ?? [];
    const name = names.get(flag);
    if (name === undefined || (end >= 0 && i > end)) return word;
    const spec = specOf(command, name);
    if (spec.type === 'boolean') return `${flag}=${parseText(spec, value, flag)}`;
    return value === '' ? `--${name}=` : word;
  });
}

/** The words of an option: --max-tokens, -n. */
function wordsOf(command: CommandSpec, name: OptionName): string[] {
  const { alias } = specOf(command, name);
  return [`--${name}`, ...(alias ? [`-${alias}`] : [])];
}

function noOption({ name }: CommandSpec, word: string, hint: string): UserError {
  return new UserError(`percept ${name} has no option ${word}.`, hint, { kind: 'usage' });
}

/** The options of all commands: a name means the same in each. */
function knownOptions(commands: readonly CommandSpec[]) {
  const specs = commands.flatMap((command) =>
    optionsOf(command).map((name) => ({ name, ...specOf(command, name) })),
  );
  const words = (list: readonly Pick<(typeof specs)[number], 'name' | 'alias'>[]) =>
    new Set(list.flatMap(({ name, alias }) => [`--${name}`, ...(alias ? [`-${alias}`] : [])]));
  const all = words(specs);
  const withValue = words(specs.filter(({ type }) => type !== 'boolean'));
  const optional = specs
    .filter((spec) => spec.optional)
    .flatMap(({ name, alias }) => [...words([{ name, alias }])].map((word) => [word, `--${name}`] as const));
  return {
    takesValue: (word: string) => withValue.has(word.replace(/^-[a-z]+(?=[a-z]$)/i, '-')), // -qs is -q -s
    isOption: (word: string) => all.has(word.replace(/=.*/s, '')),
    optional: new Map(optional),
  };
}

/** yargs reports one error itself: an option that needs a value is the last word, or another option follows. */
function missingValue(message: string): UserError {
  return noValue(/: (\S+)$/.exec(message)?.[1] ?? '');
}

/** Nothing follows the option `name`. */
function noValue(name: string): UserError {
  const hint = `A value that looks like an option is written ${dashed(name)}=VALUE.`;
  return new UserError(`Expected a value after ${dashed(name)}.`, hint, { kind: 'usage' });
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

/** All options of a command, the common ones included. */
export function optionsOf(command: CommandSpec): readonly OptionName[] {
  return [...new Set([...command.options, ...COMMON_OPTIONS])];
}

/** An option with the variants of the command. */
export function specOf({ variants }: CommandSpec, name: OptionName): OptionSpec {
  return { ...OPTIONS[name], ...variants?.[name] };
}

/** yargs returns text for all but flags; values are checked here. */
function yargsOption(command: CommandSpec, name: OptionName) {
  const { type, alias } = specOf(command, name);
  return [name, { alias, ...(type === 'boolean' ? { boolean: true } : { string: true, nargs: 1 }) }] as const;
}

function checked(command: CommandSpec, argv: Argv, commands: readonly CommandSpec[]): Invocation {
  const implied = argv._[0] !== command.name;
  const words = implied ? argv._ : argv._.slice(1);
  const operands = [...words, ...(argv['--'] ?? [])].map(withoutMark);
  const help = argv.help ? 'full' : argv.h ? 'short' : undefined;
  const flags = flagsOf(command, argv, commands);
  if (!help) {
    if (implied && words.length > 0) refuseTypo(operands, commands);
    if (words.length > 0 && (command.name === 'run' || command.name === 'chat'))
      refuseModel(operands, command.name);
    checkOperands(command, operands);
  }
  return { command, implied, operands, flags, help };
}

function flagsOf(command: CommandSpec, argv: Argv, commands: readonly CommandSpec[]): Settings {
  const names = optionsOf(command);
  const aliases = names.map((name) => specOf(command, name).alias);
  const flags = new Map<OptionName, Setting>();
  for (const [key, given] of Object.entries(argv)) {
    const name = names.find((candidate) => candidate === key);
    if (name) flags.set(name, flagSetting(command, name, given));
    else if (!['_', '$0', '--', 'help', 'h', ...aliases].includes(key))
      throw unknownOption(command, key, commands);
  }
  return flags;
}

function flagSetting(command: CommandSpec, name: OptionName, given: unknown): Setting {
  const where = `--${name}`;
  return { value: flagValue(specOf(command, name), given, where), origin: 'flag', where };
}

/** If an option is given twice, the last value counts, unless the option may be repeated. */
function flagValue(spec: OptionSpec, given: unknown, where: string): Setting['value'] {
  const all = [given].flat().map((text) => withoutMark(String(text)));
  if (spec.type === 'strings') return all;
  if (!spec.list) return parseText(spec, all.at(-1)!, where);
  const items = all.flatMap((text) => text.split(','));
  return items.map((item) => parseText(spec, item, where)) as string[] | number[];
}

function unknownOption(command: CommandSpec, key: string, commands: readonly CommandSpec[]): UserError {
  const near = nearOptions(key, optionsOf(command));
  const others = commands.filter((other) =>
    optionsOf(other).some((name) => wordsOf(other, name).includes(dashed(key))),
  );
  const known = others.map(({ name }) => `percept ${name}`);
  return noOption(command, dashed(key), hint());

  function hint(): string {
    if (near.length > 0) return `Did you mean ${near.map(dashed).join(' or ')}?`;
    if (known.length > 0) return `It is an option of ${known.join(', ')}.`;
    if (commands.some(({ name }) => name === key)) return `It is a command: percept ${key}`;
    const positive = key.replace(/^no-/, '');
    const isOn = optionsOf(command).some((name) => name === positive && OPTIONS[name].type === 'boolean');
    return isOn ? `--${positive}=false turns it off.` : `See percept ${command.name} --help. ${DASH_HINT}`;
  }
}

/** Options that a typo or a prefix may have meant: --tem is --template or --temperature. */
function nearOptions(key: string, names: readonly OptionName[]): readonly string[] {
  const near = nearest(key, names);
  if (near) return [near];
  return key.length > 2 ? names.filter((name) => name.startsWith(key)) : [];
}

function checkOperands({ name, operand }: CommandSpec, operands: readonly string[]): void {
  const usage = (message: string, hint: string) => new UserError(message, hint, { kind: 'usage' });
  if (operand?.required && operands.length === 0) {
    throw usage(`Expected ${describeOperand(operand)} after percept ${name}.`, `See percept ${name} --help.`);
  }
  const extra = operand?.many ? [] : operands.slice(operand ? 1 : 0);
  if (extra.length > 0) {
    const isHelp = extra.join() === 'help';
    const way = isHelp ? `Did you mean percept help ${name}?` : `See percept ${name} --help.`;
    throw usage(
      `Expected nothing more after percept ${name}, got "${extra.join(' ')}".`,
      `${way} ${asPrompt([name, ...operands])}`,
    );
  }
  if (operand?.choices && !operand.choices.includes(operands[0]!)) {
    throw usage(`Expected ${describeOperand(operand)}, got "${operands[0]}".`, `See percept ${name} --help.`);
  }
}

function describeOperand(operand: NonNullable<CommandSpec['operand']>): string {
  return operand.choices ? `one of ${operand.choices.join(', ')}` : operand.name;
}
