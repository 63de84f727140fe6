/** What a checkpoint recommends for sampling, under GGUF's keys. */
import { join } from 'node:path';
import type { GgufValue } from '../gguf/types.ts';
import { Config } from './config.ts';
import { readJson } from './json-file.ts';

/** Keys below general.sampling by names in generation_config.json. */
const KEYS: Readonly<Record<string, string>> = {
  temperature: 'temp',
  top_k: 'top_k',
  top_p: 'top_p',
  min_p: 'min_p',
  repetition_penalty: 'penalty_repeat',
};

/** Without do_sample the most likely token is recommended. */
export async function generationMetadata(folder: string): Promise<[string, GgufValue][]> {
  const path = join(folder, 'generation_config.json');
  const values = await readJson(path);
  if (!values) return [];
  const config = new Config(path, values);
  if (config.flag('do_sample') !== true) return [];
  return Object.entries(KEYS).flatMap(([name, key]): [string, GgufValue][] => {
    const value = config.number(name);
    return value === undefined ? [] : [[`general.sampling.${key}`, value]];
  });
}
