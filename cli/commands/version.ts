import { perceptVersion } from '../../core/version.ts';
import type { Call } from '../command.ts';

/** Prints the version, as --version does. */
export async function version({ options, output }: Call): Promise<void> {
  const version = perceptVersion();
  if (options.json) return output.json({ percept: version });
  await output.print(`${version}\n`);
}
