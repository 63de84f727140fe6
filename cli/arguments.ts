/** argv to one call of one command: yargs splits it, the tables check it. */
import { nearest } from '../core/near-miss.ts';
import { UserError } from '../errors.ts';
import { COMMANDS, COMMON_OPTIONS, type CommandSpec, specOf } from './commands.ts';
import { parseText } from './option-values.ts';
import type { OptionName, OptionSpec } from './options.ts';
import type { Setting, Settings } from './settings.ts';

export interface Invocation {
  readonly command: CommandSpec;
  /** No command was named: the operands are a prompt. */
  readonly implied: boolean;
  readonly operands: readonly string[];
  readonly flags: Settings;
  readonly help: boolean;
}

const DASH_HINT = 'Text that begins with a dash goes behind --.';

type Argv = Record<string, unknown> & { readonly _: readonly string[] };

/** @throws UserError (usage) for anything that is not in the tables, with the nearest thing that is. */
export async function parseArguments(args: readonly string[]): Promise<Invocation> {
  return alone(args) ?? split(args);
}

/** The name of a command or nothing: there is nothing to split, and loading yargs would take a while. */
function alone([name, ...more]: readonly string[]): Invocation | undefined {
  const command = COMMANDS.find((each) => each.name === (name ?? 'run'));
  if (!command || more.length > 0) return undefined;
  checkOperands(command, []);
  return { command, implied: name === undefined, operands: [], flags: new Map(), help: false };
}

async function split(args: readonly string[]): Promise<Invocation> {
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
  });
  parser.option('help', { alias: 'h', boolean: true });
  for (const command of COMMANDS) {
    parser.command({
      command: command.name === 'run' ? ['run', '$0'] : command.name,
      describe: false,
      builder: (builder) =>
        builder.options(Object.fromEntries(optionsOf(command).map((name) => yargsOption(command, name)))),
      handler: (argv) => {
        invocation = check(command, argv as unknown as Argv);
      },
    });
  }
  parser.fail((message, error) => {
    throw error instanceof UserError ? error : missingValue(message);
  });
  await parser.parseAsync(asOptions(args));
  return invocation!;
}

/** `percept help` and `percept help COMMAND` mean --help; more words are a prompt. */
function asOptions(args: readonly string[]): readonly string[] {
  const [first, second, ...more] = args;
  const isHelp = first === 'help' && more.length === 0;
  if (!isHelp) return args;
  if (second === undefined) return ['--help'];
  return COMMANDS.some(({ name }) => name === second) ? [second, '--help'] : args;
}

/** The one thing yargs finds wrong by itself: an option that takes a value is the last word. */
function missingValue(message: string): UserError {
  const name = /: (\S+)$/.exec(message)?.[1] ?? '';
  return new UserError(`Expected a value after ${dashed(name)}.`, DASH_HINT, { kind: 'usage' });
}

function dashed(name: string): string {
  return name.length === 1 ? `-${name}` : `--${name}`;
}

export function optionsOf(command: CommandSpec): readonly OptionName[] {
  return [...new Set([...command.options, ...COMMON_OPTIONS])];
}

/** Text for all but flags: what a value may be is checked here, not by yargs. */
function yargsOption(command: CommandSpec, name: OptionName) {
  const { type, alias } = specOf(command, name);
  return [name, { alias, ...(type === 'boolean' ? { boolean: true } : { string: true, nargs: 1 }) }] as const;
}

function check(command: CommandSpec, argv: Argv): Invocation {
  const implied = argv._[0] !== command.name;
  const operands = implied ? argv._ : argv._.slice(1);
  const help = argv.help === true;
  const flags = flagsOf(command, argv);
  if (!help) {
    if (implied) refuseTypo(operands);
    checkOperands(command, operands);
  }
  return { command, implied, operands, flags, help };
}

function flagsOf(command: CommandSpec, argv: Argv): Settings {
  const names = optionsOf(command);
  const aliases = names.map((name) => specOf(command, name).alias);
  const flags = new Map<OptionName, Setting>();
  for (const [key, given] of Object.entries(argv)) {
    const name = names.find((candidate) => candidate === key);
    if (name) flags.set(name, flagSetting(command, name, given));
    else if (!['_', '$0', 'help', 'h', ...aliases].includes(key)) throw unknownOption(command, key);
  }
  return flags;
}

function flagSetting(command: CommandSpec, name: OptionName, given: unknown): Setting {
  const where = `--${name}`;
  return { value: flagValue(specOf(command, name), given, where), origin: 'flag', where };
}

/** Of an option given twice the last one counts, unless it may be repeated. */
function flagValue(spec: OptionSpec, given: unknown, where: string): Setting['value'] {
  const all = [given].flat().map(String);
  if (spec.type === 'strings') return all;
  if (!spec.list) return parseText(spec, all.at(-1)!, where);
  const items = all.flatMap((text) => text.split(','));
  return items.map((item) => parseText(spec, item, where)) as string[] | number[];
}

function unknownOption(command: CommandSpec, key: string): UserError {
  const near = nearOptions(key, optionsOf(command));
  const hint =
    near.length > 0
      ? `Did you mean ${near.map(dashed).join(' or ')}?`
      : `See percept ${command.name} --help. ${DASH_HINT}`;
  return new UserError(`percept ${command.name} has no option ${dashed(key)}.`, hint, { kind: 'usage' });
}

/** What a slip of the fingers or a name broken off may have meant: --temp is --template or --temperature. */
function nearOptions(key: string, names: readonly OptionName[]): readonly string[] {
  const near = nearest(key, names);
  if (near) return [near];
  return key.length > 2 ? names.filter((name) => name.startsWith(key)) : [];
}

/** One word that is nearly a command is taken for a typo, not for a prompt: it would cost a download. */
function refuseTypo(operands: readonly string[]): void {
  const [word] = operands;
  if (word === undefined || operands.length > 1) return;
  const names = COMMANDS.map(({ name }) => name);
  const near = nearest(word, names);
  if (!near) return;
  const hint = `Did you mean percept ${near}? To use it as a prompt: percept run ${word}`;
  throw new UserError(`percept has no command "${word}".`, hint, { kind: 'usage' });
}

function checkOperands({ name, operand }: CommandSpec, operands: readonly string[]): void {
  const usage = (message: string, hint: string) => new UserError(message, hint, { kind: 'usage' });
  if (operand?.required && operands.length === 0) {
    throw usage(`Expected ${describeOperand(operand)} after percept ${name}.`, `See percept ${name} --help.`);
  }
  const extra = operand?.many ? [] : operands.slice(operand ? 1 : 0);
  if (extra.length > 0) {
    const hint = `See percept ${name} --help; to use the words as a prompt: percept run ...`;
    throw usage(`Expected nothing more after percept ${name}, got "${extra.join(' ')}".`, hint);
  }
  if (operand?.choices && !operand.choices.includes(operands[0]!)) {
    throw usage(`Expected ${describeOperand(operand)}, got "${operands[0]}".`, `See percept ${name} --help.`);
  }
}

function describeOperand(operand: NonNullable<CommandSpec['operand']>): string {
  return operand.choices ? `one of ${operand.choices.join(', ')}` : operand.name;
}
