import { closeSync, openSync, readSync } from 'node:fs';
import type { RopeSpec } from '../backends/backend.ts';
import { UserError } from '../errors.ts';
import type { Gguf } from './gguf.ts';
import {
  optionalNumber,
  optionalNumbers,
  optionalString,
  optionalStrings,
  requireNumber,
  requireString,
} from './gguf-metadata.ts';

/** The architectures that are computed, and how their files order the rotated pairs of a head. */
const ROPE_LAYOUTS = {
  llama: 'interleaved', // llama.cpp's converter reorders the rows of attn_q and attn_k to this
} as const satisfies Record<string, RopeSpec['layout']>;

export type ArchitectureName = keyof typeof ROPE_LAYOUTS;

/** Sizes of a model, read from its metadata; frozen. */
export interface ModelConfig {
  readonly architecture: ArchitectureName; // general.architecture
  readonly nLayers: number;
  readonly embeddingLength: number; // C
  readonly feedForwardLength: number;
  readonly nHeads: number; // H
  readonly nKvHeads: number;
  readonly headDim: number; // D
  readonly vocabularySize: number; // V
  readonly contextLength: number; // positions it was trained for
  readonly rmsEps: number;
  readonly rope: RopeSpec;
  readonly tiedHead: boolean; // no output.weight: token_embd.weight serves as the head
}

/** Larger sizes than any model has; heads are bounded apart, because tables are made of their size. */
const MAX_SIZE = 2 ** 31 - 1;
const MAX_HEAD_DIM = 65_536;

/**
 * The sizes in a file's metadata, checked against each other but not yet against its tensors. Throws
 * UserError naming the key for an architecture or a feature that is not supported yet, and for sizes that
 * are absent or make no sense.
 */
export function configFromGguf(gguf: Gguf): ModelConfig {
  const architecture = supportedArchitecture(gguf);
  const size = (key: string, fallback?: number) => readSize(gguf, `${architecture}.${key}`, fallback);
  const embeddingLength = size('embedding_length');
  const nHeads = size('attention.head_count');
  const nKvHeads = size('attention.head_count_kv', nHeads);
  const headDim = size('attention.key_length', embeddingLength / nHeads);
  ensure(nHeads % nKvHeads === 0, `attention.head_count_kv to divide the ${nHeads} heads`, nKvHeads);
  ensure(headDim <= MAX_HEAD_DIM, `heads of at most ${MAX_HEAD_DIM} dimensions`, headDim);
  const valueLength = size('attention.value_length', headDim);
  ensure(valueLength === headDim, `attention.value_length to be the key length ${headDim}`, valueLength);
  const experts = optionalNumber(gguf.metadata, `${architecture}.expert_count`) ?? 0;
  if (experts > 0) throw unsupported(`A mixture of ${experts} experts`);

  return Object.freeze({
    architecture,
    nLayers: size('block_count'),
    embeddingLength,
    feedForwardLength: size('feed_forward_length'),
    nHeads,
    nKvHeads,
    headDim,
    vocabularySize: optionalStrings(gguf.metadata, 'tokenizer.ggml.tokens')?.length || size('vocab_size'),
    contextLength: size('context_length'),
    rmsEps: readPositive(gguf, `${architecture}.attention.layer_norm_rms_epsilon`),
    rope: readRope(gguf, architecture, headDim),
    tiedHead: !gguf.tensors.has('output.weight'),
  });
}

function supportedArchitecture({ metadata }: Gguf): ArchitectureName {
  const name = requireString(metadata, 'general.architecture');
  if (Object.hasOwn(ROPE_LAYOUTS, name)) return name as ArchitectureName;
  throw unsupported(`The architecture "${name}"`, `; supported: ${Object.keys(ROPE_LAYOUTS).join(', ')}`);
}

function readSize({ metadata }: Gguf, key: string, fallback?: number): number {
  const perLayer = typeof metadata.get(key) === 'object' ? optionalNumbers(metadata, key) : undefined;
  const size = perLayer
    ? sizeOfAll(key, perLayer)
    : (optionalNumber(metadata, key) ?? fallback ?? requireNumber(metadata, key));
  const sensible = Number.isInteger(size) && size >= 1 && size <= MAX_SIZE;
  return ensure(sensible, `${key} to be an integer from 1 to ${MAX_SIZE}`, size);
}

/** The one size of a list with an entry for each layer. */
function sizeOfAll(key: string, perLayer: ArrayLike<number>): number {
  const sizes = new Set(Array.from(perLayer));
  if (sizes.size > 1) throw unsupported(`A ${key} that differs between layers`);
  return perLayer[0] ?? 0;
}

function readPositive({ metadata }: Gguf, key: string, fallback?: number): number {
  const value = optionalNumber(metadata, key) ?? fallback ?? requireNumber(metadata, key);
  return ensure(value > 0 && Number.isFinite(value), `${key} to be a positive number`, value);
}

// ----- rotary embedding

/**
 * Pair i of n turns by base^(-i / n) a position (Su et al., RoFormer), slowed by the linear scaling factor
 * (Chen et al., position interpolation) and by the file's own factors in rope_freqs.weight (Llama 3.1).
 */
function readRope(gguf: Gguf, architecture: ArchitectureName, headDim: number): RopeSpec {
  const key = `${architecture}.rope`;
  const dimensions = readSize(gguf, `${key}.dimension_count`, headDim);
  const fits = dimensions % 2 === 0 && dimensions <= headDim;
  ensure(fits, `${key}.dimension_count to be even and at most ${headDim}`, dimensions);
  const base = readPositive(gguf, `${key}.freq_base`, 10_000);
  const pairs = dimensions / 2;
  const slowing = readLinearScaling(gguf, key);
  const factors = readRopeFactors(gguf, pairs);
  const frequency = (i: number) => base ** (-i / pairs) / slowing / (factors?.[i] ?? 1);
  return {
    layout: ROPE_LAYOUTS[architecture],
    inverseFrequencies: Object.freeze(Array.from({ length: pairs }, (_, i) => frequency(i))),
  };
}

function readLinearScaling(gguf: Gguf, key: string): number {
  const type = optionalString(gguf.metadata, `${key}.scaling.type`) ?? 'linear';
  if (type === 'none') return 1;
  if (type !== 'linear') throw unsupported(`RoPE scaling of type "${type}"`, '; supported: none, linear');
  const legacy = readPositive(gguf, `${key}.scale_linear`, 1);
  return readPositive(gguf, `${key}.scaling.factor`, legacy);
}

function readRopeFactors({ path, tensors }: Gguf, pairs: number): Float32Array | undefined {
  const tensor = tensors.get('rope_freqs.weight');
  if (!tensor) return undefined;
  const found = `${tensor.type} [${tensor.shape.join(', ')}]`;
  ensure(found === `F32 [${pairs}]`, `rope_freqs.weight to be F32 [${pairs}]`, found);
  const factors = new Float32Array(pairs);
  const file = openSync(path, 'r');
  try {
    readSync(file, factors, 0, factors.byteLength, tensor.offset);
  } finally {
    closeSync(file);
  }
  const wrong = factors.find((factor) => !(factor > 0));
  ensure(wrong === undefined, 'every factor in rope_freqs.weight to be positive', wrong);
  return factors;
}

// ----- errors

/** Returns `got` where it is as expected. */
function ensure<T>(holds: boolean, expected: string, got: T): T {
  if (holds) return got;
  throw new UserError(
    `Expected ${expected}, got ${got}.`,
    'The file was converted wrongly or is damaged: get the model again, or convert it anew.',
  );
}

function unsupported(what: string, supported = ''): UserError {
  return new UserError(
    `${what} is not supported yet${supported}.`,
    'Use another model, or a later version of percept.',
  );
}
