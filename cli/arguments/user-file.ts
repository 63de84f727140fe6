/** Changes the user's settings file. Keys that percept does not know, their order and the indent stay as they are. */
import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder } from '../../backends/make-folder.ts';
import { replaceFile } from '../../backends/whole-file.ts';
import { storageError } from '../../core/models/partial-file.ts';
import type { OptionValue } from './options.ts';
import { objectIn, textOf } from './settings.ts';

/**
 * Gives `name` another value, or none. Returns the value that it had. The new file replaces the old one at once: no
 * process reads half of it.
 *
 * @throws UserError if the file is not a settings file, and stays as it is, or cannot be written.
 */
export function changeSetting(path: string, name: string, value: OptionValue | undefined): unknown {
  const text = textOf(path) ?? '';
  const values = new Map(Object.entries(text === '' ? {} : objectIn(text, path)));
  const before = values.get(name);
  if (value === undefined && !values.has(name)) return undefined;
  if (value === undefined) values.delete(name);
  else values.set(name, value);
  const indent = /^\s*\{[^\S\n]*\r?\n([ \t]+)/.exec(text)?.[1] ?? '  ';
  try {
    replace(path, `${JSON.stringify(Object.fromEntries(values), null, indent)}\n`);
  } catch (error) {
    throw storageError(error, path);
  }
  return before;
}

/** A link stays one: the file that it leads to is replaced. A new file is for the user alone. */
function replace(path: string, text: string): void {
  makeFolder(dirname(path));
  const old = statSync(path, { throwIfNoEntry: false });
  replaceFile(old ? realpathSync(path) : path, text, { mode: old ? old.mode & 0o777 : 0o600 });
}
