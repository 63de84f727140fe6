/**
 * Checks the models that a project's file names. A stranger may have written the file: a model is used only if it is in
 * the catalogue or the user has pulled it. It is never downloaded or opened as a path because of the file.
 */
import type { Directories } from '../../core/directories.ts';
import { parseReference, pullCommand, type Reference, shellWord } from '../../core/models/reference.ts';
import { findModel } from '../../core/models/store.ts';
import { UserError } from '../../errors.ts';
import type { Settings } from './settings.ts';

/** @throws UserError (usage, model-not-found) if one of `names` is a path or would have to be downloaded */
export function checkProjectReferences(
  settings: Settings,
  place: Pick<Directories, 'models'>,
  names: readonly ('model' | 'draft')[],
): void {
  for (const name of names) {
    const setting = settings.get(name);
    if (setting?.origin !== 'project') continue;
    const where = `"${name}" in ${setting.where!}`;
    const reference = parseReference(setting.value as string);
    if (reference.kind === 'path') throw isPath(where, name, reference);
    if (reference.kind !== 'alias' && !findModel(reference, place)) throw isNotHere(where, reference);
  }
}

function isPath(where: string, name: string, { text }: Reference): UserError {
  return new UserError(
    `Expected ${where} to be an alias or a pulled model, got the path ${text}.`,
    `If you trust that file: --${name} ${shellWord(text)}`,
    { kind: 'usage' },
  );
}

function isNotHere(where: string, { text }: Reference): UserError {
  return new UserError(
    `${where} is ${text}. It is not on this machine, and a project's file must not start a download.`,
    `If you trust it, run: ${pullCommand(text)}`,
    { kind: 'model-not-found' },
  );
}
