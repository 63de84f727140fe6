import { directories } from '../../core/directories.ts';
import { type OptionName, SETTING_NAMES } from '../arguments/options.ts';
import type { Setting } from '../arguments/settings.ts';
import type { Call } from '../command.ts';

/** Prints every setting with its value and origin, and the folders in use. */
export async function config({ settings, options, output }: Call): Promise<void> {
  const folders = Object.entries(directories());
  if (options.json) {
    const values = SETTING_NAMES.map((name) => [
      name,
      settings.get(name) ?? { value: null, origin: 'default' },
    ]);
    return output.json({ settings: Object.fromEntries(values), directories: Object.fromEntries(folders) });
  }
  const { heading } = output.style;
  await output.print(`${heading('Settings')}\n`);
  await output.table(SETTING_NAMES.map((name) => row(name, settings.get(name))));
  await output.print(`\n${heading('Directories')}\n`);
  await output.table(folders);
}

function row(name: OptionName, setting: Setting | undefined): string[] {
  if (!setting) return [name, '-', 'default'];
  const { value, origin, where } = setting;
  return [name, String(value), where ? `${origin} ${where}` : origin];
}
