/**
 * Adapters of PEFT: adapter_config.json and adapter_model.safetensors. Their names and layouts are those of the checkpoint
 * that they were trained on, and become those of GGUF as the checkpoint's own tensors do.
 */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../../errors.ts';
import type { AdapterPair } from '../architectures/adapted.ts';
import { architectureOf } from '../architectures/checkpoints.ts';
import { ARCHITECTURES, configFromGguf } from '../architectures/index.ts';
import { Config } from '../checkpoint/config.ts';
import type { Checkpoint } from '../checkpoint/family.ts';
import { isCheckpoint, readConfig } from '../checkpoint/folder.ts';
import { readJson } from '../checkpoint/json-file.ts';
import { ROTATED_PAIRS } from '../checkpoint/layouts.ts';
import { readSafetensors, type StoredTensor } from '../checkpoint/safetensors.ts';
import { scaled, transposed } from '../checkpoint/stored.ts';
import { convertedParts, foundTensors, tensorName } from '../checkpoint/tensors.ts';
import { requireNumber } from '../gguf/metadata.ts';
import type { Gguf } from '../gguf/types.ts';
import { fittingPair, lacksHalf } from './pairs.ts';

/** How the family of the model stores tensors. */
interface Family {
  readonly config: Config;
  readonly checkpoint: Checkpoint;
  readonly fromGguf: boolean; // the config has only what a GGUF file says
}

type Half = 'A' | 'B';

/** Throws UserError for an adapter that is damaged, of another method, or that fits no tensor of the family. */
export async function readPeftAdapter(path: string, base: Gguf): Promise<Map<string, AdapterPair>> {
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
  const scaling = scalingOf(await readAdapterConfig(isFolder ? path : dirname(path)));
  const files = await readSafetensors(isFolder ? join(path, 'adapter_model.safetensors') : path);
  const family = await familyOf(base);
  const halves: Record<Half, Map<string, StoredTensor>> = { A: new Map(), B: new Map() };
  const scales = new Map<string, number>(); // by GGUF name
  for (const [name, tensor] of files) {
    const { module, half } = halfOf(path, name);
    halves[half].set(`${module}.weight`, tensor);
    const own = tensorName(`${module}.weight`, family.checkpoint);
    if (half === 'A' && own !== null) scales.set(own, scaling(module, tensor.shape.at(-2) ?? 1));
  }
  const [as, bs] = [halves.A, halves.B].map((half) => foundTensors(half, family.config, family.checkpoint));
  const alone = [...as!.keys(), ...bs!.keys()].find((name) => !as!.has(name) || !bs!.has(name));
  if (alone !== undefined) throw lacksHalf(path, alone);
  const pairs = new Map<string, AdapterPair>();
  for (const [name, a] of as!) {
    const pair = { a: name === 'token_embd.weight' ? transposed(a) : a, b: bs!.get(name)! };
    for (const [own, { a: table, b }] of inGgufLayout(path, name, pair, family))
      pairs.set(
        own,
        fittingPair(path, own, { a: table, b: scaled(b, scales.get(name)!) }, a.shape.at(-2) ?? 0),
      );
  }
  return pairs;
}

/** base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight; a name of the adapter may stand before the end. */
function halfOf(path: string, name: string): { module: string; half: Half } {
  const found = /^(?:base_model\.model\.)?(.+)\.lora_(?:embedding_)?([AB])(?:\.[\w-]+)?$/.exec(name);
  if (found) return { module: found[1]!, half: found[2] as Half };
  throw unsupportedAdapter(path, `the tensor ${JSON.stringify(name.slice(0, 120))}`);
}

/** Rows of B, or columns of A, as GGUF orders those of the matrix. */
function inGgufLayout(
  path: string,
  name: string,
  { a, b }: AdapterPair,
  family: Family,
): [string, AdapterPair][] {
  const own = name.replace(/^blk\.\d+\./, '');
  const { convert = {}, byColumns = [] } = family.checkpoint;
  const change = Object.hasOwn(convert, own) ? convert[own]! : undefined;
  if (change === undefined || change === transposed) return [[name, { a, b }]]; // A and B are as those of other matrices
  const isKnown = !family.fromGguf || ROTATED_PAIRS[own] === change;
  if (isKnown && byColumns.includes(own))
    return convertedParts(name, a, family.config, change).map(([whole, part]) => [whole, { a: part, b }]);
  if (isKnown)
    return convertedParts(name, b, family.config, change).map(([whole, part]) => [whole, { a, b: part }]);
  throw new UserError(
    `A GGUF file does not say how ${name} of the adapter ${path} must be laid out.`,
    'Use the adapter with the folder that the model was converted from, or convert it with convert_lora_to_gguf.py.',
  );
}

async function familyOf(base: Gguf): Promise<Family> {
  if (await isCheckpoint(base.path)) {
    const config = await readConfig(base.path);
    return { config, checkpoint: architectureOf(config).checkpoint, fromGguf: false };
  }
  const { architecture } = configFromGguf(base);
  const checkpoint = ARCHITECTURES[architecture]?.checkpoint;
  if (!checkpoint) throw unsupportedAdapter(base.path, `adapters of PEFT for ${architecture}`);
  const count = (name: string) => requireNumber(base.metadata, `${architecture}.${name}`);
  const heads = count('attention.head_count');
  const kvHeads = base.metadata.get(`${architecture}.attention.head_count_kv`);
  const config = new Config(base.path, {
    num_hidden_layers: count('block_count'),
    hidden_size: count('embedding_length'),
    num_attention_heads: heads,
    num_key_value_heads: typeof kvHeads === 'number' ? kvHeads : heads,
  });
  return { config, checkpoint, fromGguf: true };
}

// ----- adapter_config.json

async function readAdapterConfig(folder: string): Promise<Config> {
  const path = join(folder, 'adapter_config.json');
  const values = await readJson(path);
  if (!values) {
    throw new UserError(
      `There is no adapter_config.json in ${folder}.`,
      'Give the folder of an adapter, or a .gguf file.',
      { kind: 'model-not-found' },
    );
  }
  const config = new Config(path, values);
  const type = config.text('peft_type') ?? 'LORA';
  if (type !== 'LORA') throw unsupportedAdapter(path, `the method ${JSON.stringify(type.slice(0, 40))}`);
  const others = ['use_dora', 'lora_bias', 'use_qalora', 'use_bdlora'].filter((name) => config.flag(name));
  if (others.length > 0) throw unsupportedAdapter(path, others[0]!);
  if ((config.text('bias') ?? 'none') !== 'none') throw unsupportedAdapter(path, 'changed biases');
  return config;
}

/** alpha / r, or alpha / sqrt(r) (Kalajdzievski, rsLoRA); alpha may differ between modules. */
function scalingOf(config: Config): (module: string, rank: number) => number {
  const usual = config.number('lora_alpha') ?? 8; // PEFT's default
  const root = config.flag('use_rslora') ?? false;
  const patterns = config.part('alpha_pattern');
  const names = patterns?.names ?? [];
  const wrong = names.find((name) => /[^\w.]/.test(name));
  if (wrong !== undefined)
    throw unsupportedAdapter(config.path, `the pattern ${JSON.stringify(wrong.slice(0, 60))}`);
  return (module, rank) => {
    const name = names.find((end) => module === end || module.endsWith(`.${end}`));
    const alpha = (name === undefined ? undefined : patterns!.number(name)) ?? usual;
    return alpha / (root ? Math.sqrt(rank) : rank);
  };
}

function unsupportedAdapter(path: string, what: string): UserError {
  return new UserError(
    `${path} has ${what}, which is not supported yet.`,
    'Use another adapter, or merge it into the model and use that.',
  );
}
