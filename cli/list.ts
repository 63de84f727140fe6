import { directories } from '../core/directories.ts';
import { CATALOGUE } from '../core/models/catalogue.ts';
import { isRemoteReference } from '../core/models/reference.ts';
import { listModels, type ModelFile } from '../core/models/store.ts';
import type { Call } from './commands.ts';
import { formatBytes } from './sizes.ts';
import { terminalText } from './terminal/terminal-text.ts';

/** What is on this machine, and what the catalogue offers besides. */
export async function list({ options, output }: Call): Promise<void> {
  const { models, leftovers } = listModels(directories());
  const present = new Set(models.map(({ reference }) => reference));
  const offers = CATALOGUE.map((entry) => ({ ...entry, present: present.has(entry.alias) }));
  if (options.json) {
    const catalogue = offers.map(({ fileName, ...entry }) => ({ ...entry, file_name: fileName }));
    return output.json({ models: models.map(modelRecord), catalogue, leftovers });
  }
  const absent = offers.filter((entry) => !entry.present);
  if (options.names) {
    const names = [...models.map(nameOf), ...absent.map(({ alias }) => alias)].filter(isOneLine);
    return output.print(names.map((name) => `${name}\n`).join(''));
  }
  const { heading } = output.style;
  await output.print(`${heading('On this machine')}\n`);
  if (models.length === 0) await output.print('none yet: percept pull NAME fetches one\n');
  await output.table(
    models.map((file) => [terminalText(nameOf(file)), formatBytes(file.bytes), terminalText(file.path)]),
  );
  for (const { path, bytes } of leftovers) {
    await output.print(
      `incomplete: ${terminalText(path)} (${formatBytes(bytes)}); pull again to go on, or rm\n`,
    );
  }
  if (absent.length === 0) return;
  await output.print(`\n${heading('To pull')}\n`);
  await output.table(absent.map(({ alias, bytes, description }) => [alias, formatBytes(bytes), description]));
}

/** What the user may write for a model that is here: its path where the record holds no reference. */
function nameOf({ reference, path }: ModelFile): string {
  return isRemoteReference(reference) ? reference : path;
}

/** Names go to shells, one a line: none that would be two, or that a terminal obeys. */
function isOneLine(name: string): boolean {
  return terminalText(name) === name && !/[\t\n]/.test(name);
}

/** A model file in JSON. */
export function modelRecord({ pulledAt, ...file }: ModelFile) {
  return { ...file, pulled_at: pulledAt };
}
