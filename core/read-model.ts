/** Opens a model in any format: a GGUF file, or a checkpoint in Hugging Face's layout. */
import { isCheckpoint, readCheckpoint } from './checkpoint/folder.ts';
import { type Gguf, readGguf } from './gguf/index.ts';

/** Throws UserError as readGguf and readCheckpoint do. */
export async function readModel(path: string | URL): Promise<Gguf> {
  if (typeof path === 'string' && (await isCheckpoint(path))) return readCheckpoint(path);
  return readGguf(path);
}
