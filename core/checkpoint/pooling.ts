/**
 * What a checkpoint of an embedding model says in modules.json, the list of what follows the encoder (sentence-transformers):
 * how states of tokens become one vector, and matrices that project it.
 */
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { GgufValue } from '../gguf/types.ts';
import { Config, isObject } from './config.ts';
import { readJson, readList } from './json-file.ts';
import { readSafetensors } from './safetensors.ts';
import { type Stored, stored } from './stored.ts';

/** Values of pooling_type (llama.cpp include/llama.h). */
export const POOLING_TYPES = { mean: 1, cls: 2, last: 3 } as const;

/** Flags of older files, and values of the newer pooling_mode. */
const MODES: Readonly<Record<string, keyof typeof POOLING_TYPES>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
  pooling_mode_lasttoken: 'last',
  mean: 'mean',
  cls: 'cls',
  lasttoken: 'last',
};

export interface PoolingParts {
  readonly values: Readonly<Record<string, GgufValue>>; // by keys without the architecture
  readonly tensors: ReadonlyMap<string, Stored>;
}

/** Throws UserError for modules that are not supported. */
export async function readPooling(folder: string): Promise<PoolingParts> {
  const values: Record<string, GgufValue> = {};
  const tensors = new Map<string, Stored>();
  for (const { path, kind } of await modulesIn(folder)) {
    const file = join(folder, path, 'config.json');
    const config = new Config(file, (await readJson(file)) ?? {});
    if (kind === 'Pooling') values.pooling_type = POOLING_TYPES[poolingOf(config)];
    if (kind !== 'Dense') continue;
    const number = tensors.size + 2; // the encoder is module 0, pooling module 1
    const matrix = (await readSafetensors(join(folder, path, 'model.safetensors'))).get('linear.weight');
    if (!matrix || config.flag('bias') || !/Identity$/.test(config.text('activation_function') ?? '')) {
      throw unsupportedPart(file, 'a projection with biases, or a function after it');
    }
    const [rows = 1, cols = 1] = matrix.shape;
    values[`dense_${number}_feat_in`] = cols;
    values[`dense_${number}_feat_out`] = rows;
    tensors.set(`dense_${number}.weight`, stored(matrix));
  }
  return { values, tensors };
}

async function modulesIn(folder: string): Promise<{ path: string; kind: string }[]> {
  const modules = await readList(join(folder, 'modules.json'));
  return modules.filter(isObject).flatMap(({ path, type }) => {
    const kind = /\.(Pooling|Dense)$/.exec(String(type))?.[1];
    const inside = typeof path === 'string' && /^[\w-]+$/.test(path); // a name, so nothing outside the folder
    return kind && inside ? [{ path, kind }] : [];
  });
}

function poolingOf(config: Config): keyof typeof POOLING_TYPES {
  const mode = config.has('pooling_mode') ? config.text('pooling_mode')! : undefined;
  const flags = Object.keys(MODES).filter((name) => name.startsWith('pooling_mode_') && config.flag(name));
  const names = mode === undefined ? flags : [mode];
  const known = names.length === 1 && Object.hasOwn(MODES, names[0]!) ? MODES[names[0]!] : undefined;
  if (known) return known;
  throw unsupportedPart(config.path, `pooling by ${names.join(' and ') || 'something else'}`);
}

function unsupportedPart(path: string, what: string): UserError {
  return new UserError(
    `${path} asks for ${what.slice(0, 80)}, which is not supported yet.`,
    'Use another model, or a later version of percept.',
  );
}
