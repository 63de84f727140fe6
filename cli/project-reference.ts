/**
 * Models that a project's file names. It may come with a folder that somebody else wrote: what it names is used where it
 * is known or was pulled by the user, and never fetched, looked for at an address or opened as a path on its word.
 */
import type { Directories } from '../core/directories.ts';
import { parseReference, pullCommand, type Reference, shellWord } from '../core/models/reference.ts';
import { findModel } from '../core/models/store.ts';
import { UserError } from '../errors.ts';
import type { Settings } from './settings.ts';
import { terminalText } from './terminal/terminal-text.ts';

/** @throws UserError (usage, model-not-found) for one of `names` that has to be fetched or is a path, with what to do. */
export function checkProjectReferences(
  settings: Settings,
  place: Pick<Directories, 'models'>,
  names: readonly ('model' | 'draft')[],
): void {
  for (const name of names) {
    const setting = settings.get(name);
    if (setting?.origin !== 'project') continue;
    const where = `"${name}" in ${terminalText(setting.where!)}`;
    const reference = parseReference(setting.value as string);
    if (reference.kind === 'path') throw isPath(where, name, reference);
    if (reference.kind !== 'alias' && !findModel(reference, place)) throw isNotHere(where, reference);
  }
}

function isPath(where: string, name: string, { text }: Reference): UserError {
  return new UserError(
    `Expected ${where} to be an alias or a model that was pulled, got the path ${terminalText(text)}.`,
    `If you trust the file, name it yourself: --${name} ${shellWord(terminalText(text))}`,
    { kind: 'usage' },
  );
}

function isNotHere(where: string, { text }: Reference): UserError {
  return new UserError(
    `${where} is ${text}, which is not on this machine, and a project's file has nothing fetched.`,
    `If you trust it, run: ${pullCommand(text)}`,
    { kind: 'model-not-found' },
  );
}
