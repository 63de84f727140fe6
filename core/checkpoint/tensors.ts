/** Gives the tensors of a checkpoint their GGUF names and layouts. */
import { UserError } from '../../errors.ts';
import type { GgufValue } from '../gguf/types.ts';
import type { Config } from './config.ts';
import type { Checkpoint } from './family.ts';
import { readNumber, type StoredTensor } from './safetensors.ts';
import { inFloat32, matrixOf, reshaped, type Stored, stacked, stored, withScales } from './stored.ts';
import { layersOf } from './usual-metadata.ts';
import { BLOCK, LEFT_OUT, PREFIX, USUAL_NAMES } from './usual-names.ts';

/** The place of a tensor in the model. */
interface Place {
  readonly block: number | undefined;
  readonly expert: number | undefined;
  readonly name: string; // without block, expert and end
  readonly end: '.weight' | '.bias' | '';
}

/** Matrices that are stored in float32, whatever the others are (llama.cpp conversion/base.py). */
const PRECISE = /(?:_norm|ffn_gate_inp|ssm_conv1d|shortconv\.conv|ssm_a|ssm_d)(?:\.weight)?$/;

/** Ends of names of scales, and what they belong to. */
const SCALES = /\.(weight_scale_inv|weight_scale)$/;

/** The named tensors, and the values of metadata that the checkpoint holds as tensors. */
export function namedTensors(
  files: ReadonlyMap<string, StoredTensor>,
  config: Config,
  checkpoint: Checkpoint,
): { tensors: Map<string, Stored>; numbers: Map<string, GgufValue> } {
  const values = new Map<string, number[]>();
  const found = foundTensors(files, config, checkpoint, values);
  if (config.flag('tie_word_embeddings') && !checkpoint.untied) found.delete('output.weight');
  const tensors = converted(found, config, checkpoint);
  for (const [name, tensor] of Object.entries(checkpoint.tensors?.(config) ?? {})) tensors.set(name, tensor);
  return { tensors, numbers: valuesOf(values) };
}

/**
 * Tensors by their GGUF names, in the layout of the checkpoint.
 *
 * @param values gets those that are numbers of the metadata
 */
export function foundTensors(
  files: ReadonlyMap<string, StoredTensor>,
  config: Config,
  checkpoint: Checkpoint,
  values = new Map<string, number[]>(),
): Map<string, Stored> {
  const found = new Map<string, Stored>();
  const experts = new Map<string, Stored[]>(); // by GGUF name
  for (const [name, tensor] of files) {
    if (LEFT_OUT.some((pattern) => pattern.test(name)) || SCALES.test(name)) continue;
    const place = placeOf(name);
    const packed = /_(blocks|scales)$/.exec(place.name);
    const packedName = packed && checkpoint.blocks?.[place.name.slice(0, -packed[0].length)];
    if (packed && packedName) {
      if (packed[1] === 'blocks')
        found.set(`blk.${place.block}.${packedName}`, blocksOf(name, tensor, files));
      continue;
    }
    if (isBeyond(place, config)) continue;
    const key = checkpoint.numbers?.[place.name];
    if (key !== undefined) {
      if (place.block !== undefined) keepValue(values, key, place.block, tensor);
      continue;
    }
    const ggufName = ggufNameOf(place, checkpoint, name);
    if (ggufName === null) continue;
    const whole = scaledTensor(name, tensor, files, config);
    if (place.expert === undefined) found.set(ggufName, whole);
    else {
      const list = experts.get(ggufName) ?? [];
      experts.set(ggufName, list);
      list[place.expert] = whole;
    }
  }
  for (const [name, parts] of experts) found.set(name, stackedExperts(name, parts));
  return found;
}

/** The GGUF name of a tensor; null where it is left out. Throws UserError for one that the family does not know. */
export function tensorName(name: string, checkpoint: Checkpoint): string | null {
  return ggufNameOf(placeOf(name), checkpoint, name);
}

/** MXFP4: codes [.., blocks, 16] and exponents [.., blocks], of blocks of 32 columns. */
function blocksOf(name: string, codes: StoredTensor, files: ReadonlyMap<string, StoredTensor>): Stored {
  const scales = files.get(name.replace(/blocks$/, 'scales'));
  if (!scales) {
    throw new UserError(`The checkpoint lacks the scales of ${name}.`, 'It is incomplete: get it again.');
  }
  const shape = [...codes.shape.slice(0, -2), codes.shape.at(-2)! * 32];
  const [rows, cols] = matrixOf(shape);
  const source = {
    op: 'mxfp4',
    codes: reshaped(stored(codes), rows, cols / 2).source,
    scales: reshaped(stored(scales), rows, cols / 32).source,
  } as const;
  return { type: 'MXFP4', shape, source };
}

function placeOf(name: string): Place {
  let rest = name
    .replace(PREFIX, '')
    .replace(/LayerNorm\.gamma$/, 'LayerNorm.weight') // in old checkpoints
    .replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
  const block = BLOCK.exec(rest);
  if (block) rest = rest.slice(block[0].length);
  const expert = /\bexperts\.(\d{1,5})\./.exec(rest);
  if (expert) rest = rest.replace(expert[0], 'experts.');
  const end = /\.(?:weight|bias)$/.exec(rest)?.[0] as Place['end'] | undefined;
  return {
    block: block ? Number(block[1]) : undefined,
    expert: expert ? Number(expert[1]) : undefined,
    name: end ? rest.slice(0, -end.length) : rest,
    end: end ?? '',
  };
}

/** Blocks behind the last one predict further tokens. */
function isBeyond({ block }: Place, config: Config): boolean {
  return block !== undefined && block >= layersOf(config);
}

/** Throws UserError for a tensor that the family does not know. */
function ggufNameOf({ block, name, end }: Place, { names = {} }: Checkpoint, whole: string): string | null {
  const found = Object.hasOwn(names, name) ? names[name] : USUAL_NAMES[name];
  if (found === null) return null;
  if (found === undefined) {
    throw new UserError(
      `The tensor ${JSON.stringify(whole.slice(0, 120))} is not supported yet in models of this architecture.`,
      'Use another model, or a later version of percept.',
    );
  }
  return `${block === undefined ? '' : `blk.${block}.`}${found}${end}`;
}

/** A tensor of 8-bit floats with its scales. */
function scaledTensor(
  name: string,
  tensor: StoredTensor,
  files: ReadonlyMap<string, StoredTensor>,
  config: Config,
): Stored {
  const scales = ['weight_scale_inv', 'weight_scale'].map((end) =>
    name.endsWith('.weight') ? files.get(name.replace(/weight$/, end)) : undefined,
  );
  const scale = scales.find((each) => each !== undefined);
  if (!scale || !tensor.type.startsWith('F8')) return stored(tensor);
  const block = config.part('quantization_config')?.numbers('weight_block_size');
  return withScales(stored(tensor), stored(scale), block);
}

function stackedExperts(name: string, parts: readonly Stored[]): Stored {
  const missing = Array.from(parts).indexOf(undefined as never);
  const same = parts.every(
    ({ type, shape }) => type === parts[0]!.type && `${shape}` === `${parts[0]!.shape}`,
  );
  if (missing < 0 && same) return stacked(parts);
  throw new UserError(
    missing < 0
      ? `The experts of ${name} have tensors of different types or shapes.`
      : `The checkpoint lacks expert ${missing} of ${name}.`,
    'The checkpoint is incomplete: get it again.',
  );
}

function converted(
  found: ReadonlyMap<string, Stored>,
  config: Config,
  { convert = {} }: Checkpoint,
): Map<string, Stored> {
  const tensors = new Map<string, Stored>();
  for (const [name, tensor] of found) {
    const block = /^blk\.\d+\./.exec(name)?.[0] ?? '';
    const own = name.slice(block.length);
    const change = Object.hasOwn(convert, own) ? convert[own] : undefined;
    const parts = change ? convertedParts(name, tensor, config, change) : [[name, tensor] as const];
    for (const [whole, part] of parts) tensors.set(whole, finished(whole.slice(block.length), part));
  }
  return tensors;
}

/** What a change of the layout makes of a tensor, by GGUF names. */
export function convertedParts(
  name: string,
  tensor: Stored,
  config: Config,
  change: NonNullable<Checkpoint['convert']>[string],
): [string, Stored][] {
  const block = /^blk\.\d+\./.exec(name)?.[0] ?? '';
  const made = change(tensor, config);
  if (isTensor(made)) return [[name, made]];
  return Object.entries(made).map(([rest, part]) => [block + rest, part]);
}

function isTensor(made: object): made is Stored {
  return 'source' in made;
}

/** Vectors and what must be precise in float32; convolutions [C, 1, K] as [C, K]. */
function finished(name: string, x: Stored): Stored {
  const sizes = x.shape.filter((size, i) => size !== 1 || i === 0 || i === x.shape.length - 1);
  const flat = sizes.length < x.shape.length ? reshaped(x, ...sizes) : x;
  return flat.shape.length <= 1 || PRECISE.test(name) ? inFloat32(flat) : flat;
}

function keepValue(values: Map<string, number[]>, key: string, block: number, tensor: StoredTensor): void {
  const list = values.get(key) ?? [];
  values.set(key, list);
  list[block] = readNumber(tensor);
}

function valuesOf(values: ReadonlyMap<string, number[]>): Map<string, GgufValue> {
  return new Map([...values].map(([key, list]) => [key, Float32Array.from(list)]));
}
