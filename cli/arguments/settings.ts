/**
 * Resolves the value of each option: flags override PERCEPT_* variables, these override the project's .percept.json, that
 * overrides the user's config.json, that overrides defaults. Files hold plain values under the names of the long flags. A
 * stranger may have written a project's file, so it may set only the options whose table entry says `project`.
 */
import { readFileSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { directories } from '../../core/directories.ts';
import { nearest } from '../../core/near-miss.ts';
import { UserError } from '../../errors.ts';
import { decodeText } from '../decode-text.ts';
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

export interface Setting {
  readonly value: OptionValue;
  readonly origin: 'flag' | 'env' | 'project' | 'user' | 'default';
  /** The flag, the variable or the file. Absent for a default. */
  readonly where?: string;
}

export type Settings = ReadonlyMap<OptionName, Setting>;

export interface SettingSources {
  readonly flags: Settings;
  readonly env: NodeJS.ProcessEnv;
  readonly projectFile: string | undefined;
  readonly userFile: string | undefined;
}

export const PROJECT_FILE = '.percept.json';
const MOST_BYTES = 1 << 20; // of a settings file

/** The user's settings file. */
export function userFile(): string {
  return join(directories().config, 'config.json');
}

/** All settings that have a value, each from its strongest source. */
export function resolveSettings({ flags, env, projectFile, userFile }: SettingSources): Settings {
  return new Map([
    ...defaults(),
    ...(userFile ? settingsFromFile(userFile) : []),
    ...(projectFile ? settingsFromProject(projectFile) : []),
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

/** The settings of the user's file. None if it does not exist. */
function settingsFromFile(path: string): [OptionName, Setting][] {
  return Object.entries(readObject(path)).map(([key, value]) => {
    const spec = optionSpec(key);
    if (!spec?.setting) throw unknownSetting(key, SETTING_NAMES, path);
    return [key as OptionName, { value: checked(path, key, value, spec), origin: 'user', where: path }];
  });
}

/** The settings of a project's file. project-reference.ts checks its references before they are used. */
function settingsFromProject(path: string): [OptionName, Setting][] {
  return Object.entries(readObject(path)).map(([key, value]) => {
    const spec = optionSpec(key);
    if (!spec?.setting) throw unknownSetting(key, PROJECT_NAMES, path);
    if (!spec.project) throw notForProjects(path, key);
    return [key as OptionName, { value: checked(path, key, value, spec), origin: 'project', where: path }];
  });
}

function checked(path: string, key: string, value: unknown, spec: OptionSpec): OptionValue {
  return checkValue(spec, value, `"${key}" in ${path}`);
}

/** A note for the user about the settings from a project's file. Undefined without any. */
export function projectNotice(settings: Settings): string | undefined {
  const own = [...settings].filter(([, { origin }]) => origin === 'project');
  if (own.length === 0) return undefined;
  const names = own.map(([name]) => name).join(', ');
  return `This project sets ${names} (${own[0]![1].where!}).`;
}

function readObject(path: string): Record<string, unknown> {
  const text = textOf(path);
  return text === undefined ? {} : objectIn(text, path);
}

/** The text of a settings file; undefined if there is none. Throws UserError (usage). */
export function textOf(path: string): string | undefined {
  try {
    const { size } = statSync(path);
    if (size > MOST_BYTES) throw new Error(`it has ${size} bytes, the limit is ${MOST_BYTES}`);
    return decodeText(readFileSync(path));
  } catch (cause) {
    if (/ENOENT|ENOTDIR/.test((cause as NodeJS.ErrnoException).code ?? '')) return undefined;
    const message = `The settings file ${path} cannot be read: ${(cause as Error).message}.`;
    const hint = 'Make it a file that you may read, or move it away.';
    throw new UserError(message, hint, { kind: 'usage', cause });
  }
}

/** The object that `text` of the file `path` is. Throws UserError (usage). */
export function objectIn(text: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badFile(path, `is not JSON: ${(cause as Error).message}`, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw badFile(path, 'does not contain a JSON object');
}

function badFile(path: string, problem: string, cause?: unknown): UserError {
  const hint = 'A settings file looks like {"model": "smollm2", "temperature": 0.7}.';
  const message = `The settings file ${path} ${problem}.`;
  return new UserError(message, hint, { kind: 'usage', cause });
}

/** The error for a name that is not one of `names`; `path` is the file that has it. */
export function unknownSetting(key: string, names: readonly string[], path?: string): UserError {
  const isStart = (name: string) => key.length > 2 && name.startsWith(key);
  const near = nearest(key, names) ?? names.find(isStart);
  const hint = near ? `Did you mean "${near}"?` : `Settings are: ${names.join(', ')}.`;
  const message = `Unknown setting "${key}"${path ? ` in ${path}` : ''}.`;
  return new UserError(message, hint, { kind: 'usage' });
}

/** The error for a setting that only the user may set. */
function notForProjects(path: string, key: string): UserError {
  return new UserError(
    `A project must not set "${key}" (in ${path}). It may set ${PROJECT_NAMES.join(', ')}.`,
    `Remove it; to set it for yourself: --${key}, ${variableOf(key)}, or "${key}" in ${userFile()}.`,
    { kind: 'usage' },
  );
}

/**
 * The nearest .percept.json from `folder` upwards. Files of other users are skipped, so that they cannot plant settings
 * in a parent folder, such as a shared /tmp.
 */
export function findProjectFile(folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined;
  for (;;) {
    const path = join(folder, PROJECT_FILE);
    const stat = statOf(path);
    if (stat?.isFile() && isTrusted(stat.uid)) return path;
    if (dirname(folder) === folder) return undefined;
    folder = dirname(folder);
  }
}

/** Undefined for a file that this user cannot see, such as one below a folder of somebody else. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** True for a file of this user or of root. Windows has no uids. */
function isTrusted(uid: number): boolean {
  const own = process.getuid?.();
  return own === undefined || uid === own || uid === 0;
}
