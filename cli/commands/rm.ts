import { directories } from '../../core/directories.ts';
import { parseReference, shellWord } from '../../core/models/reference.ts';
import { fileAt, modelPath, modelPaths, removeModel } from '../../core/models/store.ts';
import type { Call } from '../command.ts';
import { confirm } from '../confirm.ts';
import { formatBytes } from '../sizes.ts';

/** Deletes a pulled model, with all parts of a split one. Asks the user first. */
export async function rm({ operands, options, output }: Call): Promise<void> {
  const [text = ''] = operands;
  const reference = parseReference(text);
  const path = modelPath(reference, directories());
  const parts = modelPaths(reference, directories());
  const what = parts.length > 1 ? `${path} and the other parts of the model` : path;
  const asks = !options.yes && [path, ...parts].some(fileAt);
  if (asks && !(await confirm(`Delete ${what}?`, `percept rm -y ${shellWord(text)}`)))
    return output.note('Nothing deleted.');
  const bytes = await removeModel(reference, directories());
  if (options.json) return output.json({ reference: text, path, freed_bytes: bytes });
  output.note(`Deleted ${what} (${formatBytes(bytes)}).`);
}
