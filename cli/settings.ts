/**
 * Where the value of an option comes from: flags, then PERCEPT_* variables, then the project's .percept.json,
 * then the user's config.json, then the default. Files hold plain values under the names of the long flags.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nearest } from '../core/near-miss.ts';
import { UserError } from '../errors.ts';
import { checkValue, parseText } from './option-values.ts';
import {
  OPTION_NAMES,
  OPTIONS,
  type OptionName,
  type OptionValue,
  optionSpec,
  SETTING_NAMES,
  variableOf,
} from './options.ts';

export interface Setting {
  readonly value: OptionValue;
  readonly origin: 'flag' | 'env' | 'project' | 'user' | 'default';
  /** The flag, the variable or the file; absent for a default. */
  readonly where?: string;
}

export type Settings = ReadonlyMap<OptionName, Setting>;

export interface SettingSources {
  readonly flags: Settings;
  readonly env: NodeJS.ProcessEnv;
  readonly projectFile: string | undefined;
  readonly userFile: string;
}

export const PROJECT_FILE = '.percept.json';

/** Every setting that has a value, the strongest source winning. */
export function resolveSettings({ flags, env, projectFile, userFile }: SettingSources): Settings {
  return new Map([
    ...defaults(),
    ...settingsFromFile(userFile, 'user'),
    ...(projectFile ? settingsFromFile(projectFile, 'project') : []),
    ...settingsFromEnvironment(env),
    ...flags,
  ]);
}

function* defaults(): Generator<[OptionName, Setting]> {
  for (const name of OPTION_NAMES) {
    const value = OPTIONS[name].default;
    if (value !== undefined) yield [name, { value, origin: 'default' }];
  }
}

function* settingsFromEnvironment(env: NodeJS.ProcessEnv): Generator<[OptionName, Setting]> {
  for (const name of SETTING_NAMES) {
    const where = variableOf(name);
    const text = env[where];
    if (text) yield [name, { value: parseText(OPTIONS[name], text, where), origin: 'env', where }];
  }
}

/** The settings of a file; none if it does not exist. */
function settingsFromFile(path: string, origin: 'project' | 'user'): [OptionName, Setting][] {
  return Object.entries(readObject(path)).map(([key, value]) => {
    const spec = optionSpec(key);
    if (!spec?.setting) throw unknownKey(path, key);
    return [
      key as OptionName,
      { value: checkValue(spec, value, `"${key}" in ${path}`), origin, where: path },
    ];
  });
}

function readObject(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (/ENOENT|ENOTDIR/.test((cause as NodeJS.ErrnoException).code ?? '')) return {};
    throw badFile(path, `it cannot be read: ${(cause as Error).message}`, cause);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badFile(path, `it is not JSON: ${(cause as Error).message}`, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw badFile(path, 'it holds no JSON object');
}

function badFile(path: string, problem: string, cause?: unknown): UserError {
  const hint = 'A settings file looks like {"model": "smollm2", "temperature": 0.7}.';
  return new UserError(`Expected settings in ${path}, but ${problem}.`, hint, { kind: 'usage', cause });
}

function unknownKey(path: string, key: string): UserError {
  const near = nearest(key, SETTING_NAMES);
  const hint = near ? `Did you mean "${near}"?` : `Settings are: ${SETTING_NAMES.join(', ')}.`;
  return new UserError(`Expected settings in ${path}, got the unknown key "${key}".`, hint, {
    kind: 'usage',
  });
}

/**
 * The nearest .percept.json from `folder` upwards. One that belongs to somebody else is passed over, so that
 * nobody can plant settings in a folder above, such as a shared /tmp.
 */
export function findProjectFile(folder: string): string | undefined {
  for (;;) {
    const path = join(folder, PROJECT_FILE);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile() && isTrusted(stat.uid)) return path;
    if (dirname(folder) === folder) return undefined;
    folder = dirname(folder);
  }
}

/** The user's own, or root's; Windows has no uids. */
function isTrusted(uid: number): boolean {
  const own = process.getuid?.();
  return own === undefined || uid === own || uid === 0;
}
