import { directories } from '../../core/directories.ts';
import { parseReference } from '../../core/models/reference.ts';
import { findModel, modelPath, removeModel } from '../../core/models/store.ts';
import type { Call } from '../command.ts';
import { confirm } from '../confirm.ts';
import { formatBytes } from '../sizes.ts';

/** Deletes a pulled model. Asks the user first. */
export async function rm({ operands, options, output }: Call): Promise<void> {
  const [text = ''] = operands;
  const reference = parseReference(text);
  const path = modelPath(reference, directories());
  const asks = !options.yes && findModel(reference, directories()) !== undefined;
  if (asks && !(await confirm(`Delete ${path}?`, 'percept rm -y REF')))
    return output.note('Nothing deleted.');
  const bytes = await removeModel(reference, directories());
  if (options.json) return output.json({ reference: text, path, freed_bytes: bytes });
  output.note(`Deleted ${path} (${formatBytes(bytes)}).`);
}
