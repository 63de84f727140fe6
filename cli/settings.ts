/**
 * Where the value of an option comes from: flags, then PERCEPT_* variables, then the project's .percept.json,
 * then the user's config.json, then the default. Files hold plain values under the names of the long flags. A project's
 * file comes with a folder that somebody else may have written, so it may set only what the table of options says.
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
  type OptionSpec,
  type OptionValue,
  optionSpec,
  PROJECT_NAMES,
  SETTING_NAMES,
  variableOf,
} from './options.ts';
import { terminalText } from './terminal/terminal-text.ts';

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
const MOST_BYTES = 1 << 20; // of a settings file

/** Every setting that has a value, the strongest source winning. */
export function resolveSettings({ flags, env, projectFile, userFile }: SettingSources): Settings {
  return new Map([
    ...defaults(),
    ...settingsFromFile(userFile),
    ...(projectFile ? settingsFromProject(projectFile, userFile) : []),
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

/** The settings of the user's file; none if it does not exist. */
function settingsFromFile(path: string): [OptionName, Setting][] {
  return Object.entries(readObject(path)).map(([key, value]) => {
    const spec = optionSpec(key);
    if (!spec?.setting) throw unknownKey(path, key, SETTING_NAMES);
    return [key as OptionName, { value: checked(path, key, value, spec), origin: 'user', where: path }];
  });
}

/** Those of a project's file. References are looked at where one is used (cli/project-reference.ts). */
function settingsFromProject(path: string, userFile: string): [OptionName, Setting][] {
  return Object.entries(readObject(path)).map(([key, value]) => {
    const spec = optionSpec(key);
    if (!spec?.setting) throw unknownKey(path, key, PROJECT_NAMES);
    if (!spec.project) throw notForProjects(path, key, userFile);
    return [key as OptionName, { value: checked(path, key, value, spec), origin: 'project', where: path }];
  });
}

function checked(path: string, key: string, value: unknown, spec: OptionSpec): OptionValue {
  return checkValue(spec, value, `"${key}" in ${terminalText(path)}`);
}

/** For the person at the terminal: a project's file that has a say in a command; undefined where none has. */
export function projectNotice(settings: Settings): string | undefined {
  const own = [...settings].filter(([, { origin }]) => origin === 'project');
  if (own.length === 0) return undefined;
  const names = own.map(([name]) => name).join(', ');
  return `Settings of this project are in force: ${names} (${terminalText(own[0]![1].where!)}).`;
}

function readObject(path: string): Record<string, unknown> {
  let text: string;
  try {
    const { size } = statSync(path);
    if (size > MOST_BYTES) throw new Error(`it has ${size} bytes, and ${MOST_BYTES} are the most`);
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
  const message = terminalText(`Expected settings in ${path}, but ${problem}.`);
  return new UserError(message, hint, { kind: 'usage', cause });
}

function unknownKey(path: string, key: string, names: readonly string[]): UserError {
  const near = nearest(key, names);
  const hint = near ? `Did you mean "${near}"?` : `Settings are: ${names.join(', ')}.`;
  const message = terminalText(`Expected settings in ${path}, got the unknown key "${key}".`);
  return new UserError(message, hint, { kind: 'usage' });
}

/** The error for a setting that is the user's own. */
function notForProjects(path: string, key: string, userFile: string): UserError {
  return new UserError(
    `"${key}" in ${terminalText(path)} is not for a project to set: it may set ${PROJECT_NAMES.join(', ')}.`,
    `Take it out; to set it for yourself: --${key}, ${variableOf(key)}, or "${key}" in ${terminalText(userFile)}.`,
    { kind: 'usage' },
  );
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
