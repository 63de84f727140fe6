import { directories } from '../core/directories.ts';
import type { Call } from './commands.ts';
import { OPTION_NAMES, OPTIONS, type OptionName, type OptionSpec } from './options.ts';
import type { Setting } from './settings.ts';

/** Every setting with its value and origin, and the folders in use. */
export async function config({ settings, options, output }: Call): Promise<void> {
  const names = OPTION_NAMES.filter((name) => (OPTIONS[name] as OptionSpec).setting);
  const folders = Object.entries(directories());
  if (options.json) {
    const values = names.map((name) => [name, settings.get(name) ?? { value: null, origin: 'default' }]);
    return output.json({ settings: Object.fromEntries(values), directories: Object.fromEntries(folders) });
  }
  const { heading } = output.style;
  await output.print(`${heading('Settings')}\n`);
  await output.table(names.map((name) => row(name, settings.get(name))));
  await output.print(`\n${heading('Directories')}\n`);
  await output.table(folders);
}

function row(name: OptionName, setting: Setting | undefined): string[] {
  if (!setting) return [name, '-', 'default'];
  const { value, origin, where } = setting;
  return [name, String(value), where ? `${origin} ${where}` : origin];
}
