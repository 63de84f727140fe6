import { pull as pullModel } from '../../core/models/pull.ts';
import { parseReference } from '../../core/models/reference.ts';
import type { Call } from '../command.ts';
import { showingProgress } from '../model-file.ts';
import { modelRecord } from './list.ts';

/** Downloads a model, unless it is on this machine, and prints its path. */
export async function pull(call: Call): Promise<void> {
  const { operands, options, output } = call;
  const reference = parseReference(operands[0]!);
  const file = await showingProgress(reference.text, call, (progress) => pullModel(reference, progress));
  if (options.json) return output.json(modelRecord(file));
  await output.print(`${file.path}\n`);
}
