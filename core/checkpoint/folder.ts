/**
 * A checkpoint in Hugging Face's layout as the engine sees a GGUF file: metadata under llama.cpp's keys, and tensors under
 * GGUF's names, each an expression over the bytes of the checkpoint. So an architecture reads one thing only, and a file
 * that is written from it is what a converter writes.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { architectureOf, type CheckpointArchitecture } from '../architectures/checkpoints.ts';
import type { Gguf, GgufTensor, GgufValue } from '../gguf/types.ts';
import { Config } from './config.ts';
import { generationMetadata } from './generation.ts';
import { readJson } from './json-file.ts';
import { readPooling } from './pooling.ts';
import { readSafetensors } from './safetensors.ts';
import { matrixOf, numbers, type Stored } from './stored.ts';
import { namedTensors } from './tensors.ts';
import { tokenizerMetadata } from './tokenizer.ts';
import { headsOf, llama3Factors, longRopeFactors, usualMetadata } from './usual-metadata.ts';

const FILES = ['model.safetensors.index.json', 'model.safetensors'] as const;

/** Whether a path names a folder or a safetensors file, not a GGUF file. */
export async function isCheckpoint(path: string): Promise<boolean> {
  if (path.endsWith('.safetensors') || path.endsWith('.safetensors.index.json')) return true;
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/**
 * Reads the headers of a checkpoint: a folder, or a safetensors file beside its config.json.
 *
 * Throws UserError for a checkpoint that is incomplete, damaged, or of a family that is not supported.
 */
export async function readCheckpoint(path: string): Promise<Gguf> {
  const isFile = !(await stat(path).catch(() => undefined))?.isDirectory();
  const folder = resolve(isFile ? dirname(path) : path);
  const config = await readConfig(folder);
  const { name, checkpoint } = architectureOf(config);
  const stored = await readSafetensors(isFile ? path : await weightsIn(folder));
  const { tensors, numbers: values } = namedTensors(stored, config, checkpoint);
  const { headDim } = headsOf(config);
  const factors = llama3Factors(config, headDim);
  if (factors && !tensors.has('rope_freqs.weight')) tensors.set('rope_freqs.weight', numbers(factors));
  for (const [name, list] of longRopeFactors(config, headDim)) tensors.set(name, numbers(list));
  const pooling = await readPooling(folder);
  for (const [name, tensor] of pooling.tensors) tensors.set(name, tensor);
  const metadata = new Map<string, GgufValue>([
    ['general.architecture', name],
    ['general.name', basename(folder)],
    ...familyMetadata(name, config, checkpoint),
    ...Object.entries(pooling.values).map(([key, value]) => [`${name}.${key}`, value] as const),
    ...values,
    ...(await generationMetadata(folder)),
    ...(await tokenizerMetadata(folder, config)),
  ]);
  const listed = [...tensors].map(([name, tensor]) => [name, ggufTensor(name, tensor)] as const);
  return {
    path: folder,
    version: 0, // of no GGUF file
    fileBytes: listed.reduce((sum, [, { bytes }]) => sum + bytes, 0),
    alignment: 32,
    metadata,
    tensors: new Map(listed),
  };
}

/** The config of the text model, also within that of a model that sees or hears. */
export async function readConfig(folder: string): Promise<Config> {
  const path = join(folder, 'config.json');
  const values = await readJson(path);
  if (!values) {
    throw new UserError(
      `There is no config.json in ${folder}.`,
      'Give a folder of a model, or a .gguf file.',
      {
        kind: 'model-not-found',
      },
    );
  }
  const whole = new Config(path, values);
  return whole.part('text_config') ?? whole;
}

async function weightsIn(folder: string): Promise<string> {
  const names = await readdir(folder);
  const known = FILES.find((name) => names.includes(name));
  if (known) return join(folder, known);
  const others = names.filter((name) => name.endsWith('.safetensors'));
  if (others.length === 1) return join(folder, others[0]!);
  throw new UserError(
    `Expected ${FILES.join(' or ')} in ${folder}, got ${others.length} other .safetensors files.`,
    'Give the path of the file itself, or convert the weights to safetensors.',
    { kind: 'model-not-found' },
  );
}

/** Checks that sizes fit each other happen where the architecture reads them, as for GGUF. */
function* familyMetadata(
  name: string,
  config: Config,
  checkpoint: CheckpointArchitecture['checkpoint'],
): Generator<[string, GgufValue]> {
  const values = { ...usualMetadata(config), ...checkpoint.metadata?.(config) };
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) yield [`${name}.${key}`, value];
  }
}

function ggufTensor(name: string, { source, type, shape }: Stored): GgufTensor {
  const known = Object.hasOwn(QUANT_FORMATS, type) ? (type as TensorType) : undefined;
  if (!known) {
    throw new UserError(
      `The tensor ${name} is stored as ${type} without its scales.`,
      'Get another version of the model.',
    );
  }
  const sizes = shape.length === 0 ? [1] : shape;
  const [rows, cols] = matrixOf(sizes);
  const bytes = rows * rowBytes(known, cols);
  return { name, type: known, shape: sizes.toReversed(), offset: 0, bytes, source };
}
