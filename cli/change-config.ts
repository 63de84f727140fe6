/** percept config set and unset: they change the settings file of the user, never that of a project. */
import { lastingReference, shellWord } from '../core/models/reference.ts';
import { nearest } from '../core/near-miss.ts';
import { samplerParameters } from '../core/sampler/parameters.ts';
import { UserError } from '../errors.ts';
import { parseText } from './arguments/option-values.ts';
import {
  camelCase,
  type OptionName,
  type OptionValue,
  optionSpec,
  SETTING_NAMES,
  variableOf,
} from './arguments/options.ts';
import {
  findProjectFile,
  resolveSettings,
  type Setting,
  unknownSetting,
  userFile,
} from './arguments/settings.ts';
import { changeSetting } from './arguments/user-file.ts';
import type { Call } from './command.ts';
import { samplingOf } from './sampling.ts';

type Asked = Pick<Call, 'operands' | 'options' | 'output'>;

const OPERANDS = { set: 'NAME VALUE', unset: 'NAME' } as const;

/** Throws UserError (usage) for other operands, and for a value that the flag would not take. */
export async function changeConfig({ operands, options, output }: Asked): Promise<void> {
  const [action = '', name, ...words] = operands;
  if (action !== 'set' && action !== 'unset') throw noSuchAction(action, operands.slice(1));
  const fits = action === 'set' ? words.length > 0 : words.length === 0;
  if (name === undefined || !fits) throw badOperands(action, operands.slice(1));
  const path = userFile();
  const value = action === 'set' ? settingValue(name, words.join(' ')) : undefined;
  const before = changeSetting(path, name, value);
  if (action === 'unset' && before === undefined && !optionSpec(name)?.setting)
    throw unknownSetting(name, SETTING_NAMES);
  if (options.json) return output.json({ name, value: value ?? null, before: before ?? null, file: path });
  output.note(outcome(name, value, before, path));
  for (const note of overriding(name)) output.note(note);
}

/** Notes about what is stronger than the user's file, the strongest first. */
function overriding(name: string): string[] {
  const variable = variableOf(name);
  const text = process.env[variable];
  const project = projectSetting(name);
  return [
    ...(text ? [`The variable ${variable} overrides it: ${text}`] : []),
    ...(project ? [`The project's file ${project.where!} overrides it: ${project.value}`] : []),
  ];
}

/** Also undefined for a broken file: the other commands report it. */
function projectSetting(name: string): Setting | undefined {
  try {
    const projectFile = findProjectFile(process.cwd());
    const settings = resolveSettings({ flags: new Map(), env: {}, projectFile, userFile: undefined });
    const setting = settings.get(name as OptionName);
    return setting?.origin === 'project' ? setting : undefined;
  } catch {
    return undefined;
  }
}

function outcome(name: string, value: OptionValue | undefined, before: unknown, path: string): string {
  if (value === undefined) {
    return before === undefined ? `${name} is not set in ${path}.` : `Removed ${name} from ${path}.`;
  }
  return `Set ${name} to ${value === '' ? 'nothing' : value} in ${path}.`;
}

/** What the settings file holds for `text`. A path of a model is made absolute by the rule for stored conversations. */
function settingValue(name: string, text: string): OptionValue {
  const spec = optionSpec(name);
  if (!spec?.setting) throw unknownSetting(name, SETTING_NAMES);
  const value = parseText(spec, text, name);
  samplerParameters(samplingOf({ [camelCase(name)]: value }));
  if (spec.value !== 'REF') return value;
  return lastingReference(text);
}

function badOperands(action: keyof typeof OPERANDS, given: readonly string[]): UserError {
  const got = given.length === 0 ? 'nothing' : `"${given.join(' ')}"`;
  return new UserError(
    `Expected ${OPERANDS[action]} after percept config ${action}, got ${got}.`,
    `percept config lists the names. ${action === 'set' ? 'An example: percept config set temperature 0.7' : ''}`.trim(),
    { kind: 'usage' },
  );
}

function noSuchAction(word: string, more: readonly string[]): UserError {
  const near = word === 'get' ? undefined : nearest(word, Object.keys(OPERANDS));
  const isName = optionSpec(word)?.setting;
  const value = more.length > 0 ? shellWord(more.join(' ')) : 'VALUE';
  const meant = near ?? (isName ? `set ${word} ${value}` : undefined);
  return new UserError(
    `Expected set NAME VALUE or unset NAME after percept config, got "${word}".`,
    meant ? `Did you mean percept config ${meant}?` : 'percept config alone lists all settings.',
    { kind: 'usage' },
  );
}
