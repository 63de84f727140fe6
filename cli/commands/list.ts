import { directories } from '../../core/directories.ts';
import { CATALOGUE } from '../../core/models/catalogue.ts';
import { isRemoteReference } from '../../core/models/reference.ts';
import { listModels, type ModelFile } from '../../core/models/store.ts';
import type { Call } from '../command.ts';
import { formatBytes } from '../sizes.ts';
import { terminalText } from '../terminal/terminal-text.ts';

/** Prints the models on this machine, and those of the catalogue that can be pulled. */
export async function list({ options, output }: Call): Promise<void> {
  const { models, leftovers } = listModels(directories());
  const present = new Set(models.map(({ reference }) => reference));
  const offers = CATALOGUE.map((entry) => ({ ...entry, present: present.has(entry.alias) }));
  if (options.json) {
    const catalogue = offers.map(({ fileName, ...entry }) => ({ ...entry, file_name: fileName }));
    return output.json({ models: models.map(modelRecord), catalogue, leftovers });
  }
  const absent = options.pulled ? [] : offers.filter((entry) => !entry.present);
  if (options.names) {
    const names = [...models.map(nameOf), ...absent.map(({ alias }) => alias)].filter(isOneLine);
    return output.print(names.map((name) => `${name}\n`).join(''));
  }
  const { heading } = output.style;
  await output.print(`${heading('On this machine')}\n`);
  if (models.length === 0) await output.print('none yet: percept pull NAME downloads one\n');
  await output.table(models.map((file) => [nameOf(file), formatBytes(file.bytes), file.path]));
  for (const { path, bytes } of leftovers) {
    await output.table([[`incomplete: ${path} (${formatBytes(bytes)}); pull again to resume, or rm`]]);
  }
  if (absent.length === 0) return;
  await output.print(`\n${heading('To pull')}\n`);
  await output.table(absent.map(({ alias, bytes, description }) => [alias, formatBytes(bytes), description]));
}

/** The name for the command line: the reference, or the path if there is none. */
function nameOf({ reference, path }: ModelFile): string {
  return isRemoteReference(reference) ? reference : path;
}

/** Names go to shells, one per line: no line breaks or control characters. */
function isOneLine(name: string): boolean {
  return terminalText(name) === name && !/[\t\n]/.test(name);
}

/** A model file in JSON. */
export function modelRecord({ pulledAt, ...file }: ModelFile) {
  return { ...file, pulled_at: pulledAt };
}
