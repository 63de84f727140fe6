/**
 * LoRA adapters (Hu et al., LoRA): of some matrices W two thin ones, so that a product with W gets B (A x) times a scale added.
 * The weights stay as they are: without the adapter a model computes the same bits as before.
 */
import { stat } from 'node:fs/promises';
import { UserError } from '../../errors.ts';
import type { Adapter } from '../architectures/adapted.ts';
import { configFromGguf } from '../architectures/index.ts';
import type { Gguf } from '../gguf/types.ts';
import { adapterChoice } from './choice.ts';
import { readGgufAdapter } from './gguf-adapter.ts';
import { readPeftAdapter } from './peft-adapter.ts';

/**
 * Reads adapters for a model: GGUF files, safetensors files of PEFT, or their folders. Throws UserError for one that is
 * damaged, of a kind that is not supported, or made for another model.
 */
export async function readAdapters(choices: readonly string[], base: Gguf): Promise<Adapter[]> {
  const adapters: Adapter[] = [];
  for (const text of choices) {
    const { path, factor } = adapterChoice(text);
    const found = await stat(path).catch(() => undefined);
    if (!found) {
      throw new UserError(
        `There is no adapter at ${path}.`,
        'Give a folder that PEFT wrote, or its .safetensors file, or a .gguf file.',
        { kind: 'usage' },
      );
    }
    const isPeft = found.isDirectory() || path.endsWith('.safetensors');
    const pairs = isPeft
      ? await readPeftAdapter(path, base)
      : await readGgufAdapter(path, architectureOf(base));
    if (pairs.size === 0)
      throw new UserError(`The adapter ${path} changes nothing: it has no matrices.`, 'Get it again.');
    adapters.push({ path, factor, pairs });
  }
  return adapters;
}

function architectureOf(base: Gguf): string {
  return configFromGguf(base).architecture;
}
