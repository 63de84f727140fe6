import { basename } from 'node:path';
import type { Gguf } from './gguf/index.ts';
import { CATALOGUE, type CatalogueEntry, type ModelDefaults } from './models/catalogue.ts';
import { samplingDefaults } from './sampler/metadata.ts';
import { type SamplerParameters, samplerParameters } from './sampler/parameters.ts';

/**
 * The defaults that the file recommends, and over them those of its catalogue entry, which are measured. The entry is
 * that of the file with the same name and size.
 * @param onIgnored gets a sentence for each value of the file left out
 */
export function modelDefaults(
  { path, fileBytes, metadata }: Pick<Gguf, 'path' | 'fileBytes' | 'metadata'>,
  onIgnored?: (text: string) => void,
): ModelDefaults {
  const entry = entryOf({ path, bytes: fileBytes });
  return {
    sampling: { ...samplingDefaults(metadata, onIgnored), ...entry?.defaults?.sampling },
    system: entry?.defaults?.system,
  };
}

/** The catalogue's entry of a file: by its name, and where the file is known exactly by its size. */
export function entryOf({ path, bytes }: { path: string; bytes: number }): CatalogueEntry | undefined {
  const name = basename(path);
  return CATALOGUE.find(
    (entry) =>
      entry.fileName === name && (entry.sha256 === undefined || entry.folder || entry.bytes === bytes),
  );
}

/**
 * Sampling parameters of the caller over the defaults of the model. Temperature 0 means the most likely token: the
 * default penalties, which are made for drawing, would change it.
 */
export function parametersFor(
  { sampling }: ModelDefaults,
  given: Partial<SamplerParameters>,
): SamplerParameters {
  const { repeatPenalty, presencePenalty, frequencyPenalty, ...others } = sampling;
  return samplerParameters(given.temperature === 0 ? others : sampling, given);
}
