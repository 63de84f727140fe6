import { pull as pullModel } from '../core/models/pull.ts';
import { parseReference } from '../core/models/reference.ts';
import type { Call } from './commands.ts';
import { modelRecord } from './list.ts';
import { showingProgress } from './model-file.ts';

/** Fetches a model, or finds it on this machine; prints where it lies. */
export async function pull(call: Call): Promise<void> {
  const { operands, options, output } = call;
  const reference = parseReference(operands[0]!);
  const file = await showingProgress(call, reference.text, (progress) => pullModel(reference, progress));
  if (options.json) return output.json(modelRecord(file));
  await output.print(`${file.path}\n`);
}
