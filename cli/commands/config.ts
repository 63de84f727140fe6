import { directories } from '../../core/directories.ts';
import { type OptionName, SETTING_NAMES } from '../arguments/options.ts';
import type { Setting } from '../arguments/settings.ts';
import type { Call } from '../command.ts';
import { samplingInWords } from '../sampling.ts';

/** Prints every setting with its value and origin, and the folders in use; or changes one of the user's own. */
export async function config(call: Call): Promise<void> {
  if (call.operands.length === 0) return printSettings(call);
  const { changeConfig } = await import('../change-config.ts');
  await changeConfig(call);
}

async function printSettings({ settings, options, output }: Pick<Call, 'settings' | 'options' | 'output'>) {
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
  const unset = await valuesUnset(options.model ?? '');
  await output.table(SETTING_NAMES.map((name) => row(name, settings.get(name), unset.get(name))));
  await output.print(`\n${heading('Directories')}\n`);
  await output.table(folders);
}

/** What holds while a setting has no value, for a model of the catalogue. A file may have other sampling defaults. */
async function valuesUnset(model: string): Promise<ReadonlyMap<OptionName, string>> {
  const { CATALOGUE } = await import('../../core/models/catalogue.ts');
  const defaults = CATALOGUE.find(({ alias }) => alias === model)?.defaults;
  const { samplerParameters } = await import('../../core/sampler/parameters.ts');
  const { usableCores } = await import('../../backends/select.ts');
  const { DEFAULT_CONTEXT } = await import('../../core/model.ts');
  return new Map<OptionName, string>([
    ...samplingInWords(samplerParameters(defaults?.sampling ?? {}), {}),
    ['system', defaults?.system || 'none'],
    ['ctx', `as trained, at most ${DEFAULT_CONTEXT}`],
    ['threads', `${usableCores()}, one a core`],
    ['draft', 'none'],
  ]);
}

function row(name: OptionName, setting: Setting | undefined, unset = 'off'): string[] {
  if (!setting) return [name, unset, 'default'];
  const { value, origin, where } = setting;
  return [name, String(value), where ? `${origin} ${where}` : origin];
}
