/**
 * Reads hyperparameters from a file's metadata, under keys that begin with the name of its architecture. Throws
 * UserError, with the key, for a missing or invalid value.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import type { RopeSpec } from '../../backends/backend.ts';
import { UserError } from '../../errors.ts';
import type { Gguf } from '../gguf/index.ts';
import {
  optionalBoolean,
  optionalNumber,
  optionalNumbers,
  optionalString,
  optionalStrings,
  requireNumber,
} from '../gguf/metadata.ts';

/** Upper bounds beyond any real model. The bound of heads is smaller, because tables of their size are allocated. */
const MAX_SIZE = 2 ** 31 - 1;
const MAX_HEAD_DIM = 65_536;

const ROPE_SCALINGS: readonly string[] = ['none', 'linear', 'yarn', 'longrope'];

/** Sizes that every transformer has. */
export interface TransformerSizes {
  readonly nLayers: number;
  readonly embeddingLength: number; // C
  readonly feedForwardLength: number; // F
  readonly nHeads: number; // H
  readonly nKvHeads: number; // G, a divisor of H
  readonly headDim: number; // D
  readonly vocabularySize: number; // V
  readonly contextLength: number; // positions it was trained for
}

export class Metadata {
  readonly architecture: string;
  readonly #gguf: Gguf;

  constructor(gguf: Gguf, architecture: string) {
    this.#gguf = gguf;
    this.architecture = architecture;
  }

  /** @param varying sizes that may differ between layers: the largest counts */
  transformer(...varying: readonly string[]): TransformerSizes {
    const common = (name: string, fallback?: number) =>
      varying.includes(name) && this.#isList(name)
        ? Math.max(...this.perLayer(name))
        : this.size(name, fallback);
    const embeddingLength = this.size('embedding_length');
    const nHeads = this.size('attention.head_count');
    const nKvHeads = common('attention.head_count_kv', nHeads);
    const headDim = this.size('attention.key_length', embeddingLength / nHeads);
    ensure(nHeads % nKvHeads === 0, `attention.head_count_kv to divide the ${nHeads} heads`, nKvHeads);
    ensure(headDim <= MAX_HEAD_DIM, `heads of at most ${MAX_HEAD_DIM} dimensions`, headDim);
    const valueLength = this.size('attention.value_length', headDim);
    ensure(valueLength === headDim, `attention.value_length to be the key length ${headDim}`, valueLength);
    return {
      nLayers: this.size('block_count') - (this.optional('nextn_predict_layers') ?? 0),
      embeddingLength,
      feedForwardLength: common('feed_forward_length'),
      nHeads,
      nKvHeads,
      headDim,
      ...this.lengths(),
    };
  }

  lengths(): Pick<TransformerSizes, 'vocabularySize' | 'contextLength'> {
    const tokens = optionalStrings(this.#gguf.metadata, 'tokenizer.ggml.tokens');
    return {
      vocabularySize: tokens?.length || this.size('vocab_size'),
      contextLength: this.size('context_length'),
    };
  }

  /** A count from 1 up. A list with an entry for each layer must have equal entries. */
  size(name: string, fallback?: number): number {
    const { metadata } = this.#gguf;
    const key = `${this.architecture}.${name}`;
    const perLayer = typeof metadata.get(key) === 'object' ? optionalNumbers(metadata, key) : undefined;
    const size = perLayer
      ? sizeOfAll(key, perLayer)
      : (optionalNumber(metadata, key) ?? fallback ?? requireNumber(metadata, key));
    const sensible = Number.isInteger(size) && size >= 1 && size <= MAX_SIZE;
    return ensure(sensible, `${key} to be an integer from 1 to ${MAX_SIZE}`, size);
  }

  /** A count for each layer, 0 included; a single one counts for all. */
  perLayer(name: string, fallback?: number): readonly number[] {
    const layers = this.size('block_count');
    if (!this.#isList(name)) return new Array(layers).fill(this.size(name, fallback));
    const key = `${this.architecture}.${name}`;
    const list = Array.from(optionalNumbers(this.#gguf.metadata, key) ?? []);
    ensure(list.length >= layers, `${key} to have ${layers} numbers`, list.length);
    const wrong = list.find((size) => !Number.isInteger(size) || size < 0 || size > MAX_SIZE);
    ensure(wrong === undefined, `integers from 0 to ${MAX_SIZE} in ${key}`, wrong);
    return list.slice(0, layers);
  }

  /** Whether each layer has a property; `usual` where the file does not say so. */
  flags(name: string, usual: (layer: number) => boolean): readonly boolean[] {
    const layers = this.size('block_count');
    const found = this.#gguf.metadata.get(`${this.architecture}.${name}`);
    const list = Array.isArray(found) ? found : undefined;
    return Array.from({ length: layers }, (_, i) => (list?.[i] === undefined ? usual(i) : Boolean(list[i])));
  }

  #isList(name: string): boolean {
    return typeof this.#gguf.metadata.get(`${this.architecture}.${name}`) === 'object';
  }

  /** A number above zero. */
  positive(name: string, fallback?: number): number {
    const { metadata } = this.#gguf;
    const key = `${this.architecture}.${name}`;
    const value = optionalNumber(metadata, key) ?? fallback ?? requireNumber(metadata, key);
    return ensure(value > 0 && Number.isFinite(value), `${key} to be a positive number`, value);
  }

  /** Whether a boolean is there and true. */
  flag(name: string): boolean {
    return optionalBoolean(this.#gguf.metadata, `${this.architecture}.${name}`) ?? false;
  }

  text(name: string): string | undefined {
    return optionalString(this.#gguf.metadata, `${this.architecture}.${name}`);
  }

  /** `count` finite numbers under a key without the architecture. */
  numbers(key: string, count: number): readonly number[] {
    const found = Array.from(optionalNumbers(this.#gguf.metadata, key) ?? []);
    ensure(found.length === count, `${key} to have ${count} numbers`, found.length);
    const wrong = found.find((number) => !Number.isFinite(number));
    ensure(wrong === undefined, `finite numbers in ${key}`, wrong);
    return found;
  }

  /** Whether some layer has a tensor of this name. */
  hasTensor(name: string): boolean {
    return this.#gguf.tensors.keys().some((key) => key.startsWith('blk.') && key.endsWith(`.${name}`));
  }

  has(name: string): boolean {
    return this.#gguf.metadata.has(`${this.architecture}.${name}`);
  }

  optional(name: string): number | undefined {
    return optionalNumber(this.#gguf.metadata, `${this.architecture}.${name}`);
  }

  /**
   * Pair i of n is rotated by base^(-i / n) a position (Su et al., RoFormer), slowed by the linear scaling factor
   * (Chen et al., position interpolation) and by the file's own factors in rope_freqs.weight (Llama 3.1) or
   * rope_factors_short.weight (LongRoPE, within the original context; core/long-rope.ts).
   *
   * @param whole whether YaRN's bounds are whole pairs
   */
  rope(layout: RopeSpec['layout'], headDim: number, { whole = true } = {}): RopeSpec {
    const type = this.#scalingType();
    if (!ROPE_SCALINGS.includes(type)) {
      throw unsupported(`RoPE scaling of type "${type}"`, `; supported: ${ROPE_SCALINGS.join(', ')}`);
    }
    const dimensions = this.size('rope.dimension_count', headDim);
    const fits = dimensions % 2 === 0 && dimensions <= headDim;
    const key = `${this.architecture}.rope.dimension_count`;
    ensure(fits, `${key} to be even and at most ${headDim}`, dimensions);
    const base = this.positive('rope.freq_base', 10_000);
    const pairs = dimensions / 2;
    const slowing = this.#slowing(base, pairs, whole);
    const factors = readRopeFactors(this.#gguf, pairs);
    const frequency = (i: number) => base ** (-i / pairs) / slowing(i) / (factors?.[i] ?? 1);
    return {
      layout,
      inverseFrequencies: Object.freeze(Array.from({ length: pairs }, (_, i) => frequency(i))),
      magnitude: this.#magnitude(),
    };
  }

  /** The same with a base of its own, neither slowed nor with factors. */
  plainRope(
    layout: RopeSpec['layout'],
    headDim: number,
    base: number,
    dimensions = 'rope.dimension_count',
  ): RopeSpec {
    const pairs = this.size(dimensions, headDim) / 2;
    return {
      layout,
      inverseFrequencies: Object.freeze(Array.from({ length: pairs }, (_, i) => base ** (-i / pairs))),
    };
  }

  /** The factor of rotated queries and of keys: scores are larger for a longer context. */
  #magnitude(): number {
    if (this.#scalingType() !== 'yarn') return this.positive('rope.scaling.attn_factor', 1);
    const factor = this.positive('rope.scaling.factor', 1);
    const wanted = this.positive(
      'rope.scaling.yarn_attn_factor',
      this.positive('rope.scaling.attn_factor', 1),
    );
    return wanted * (factor > 1 ? 1 + 0.1 * Math.log(factor) : 1);
  }

  #scalingType(): string {
    return optionalString(this.#gguf.metadata, `${this.architecture}.rope.scaling.type`) ?? 'linear';
  }

  /** How much slower pair i rotates. */
  #slowing(base: number, pairs: number, whole: boolean): (i: number) => number {
    const type = this.#scalingType();
    if (type === 'none' || type === 'longrope') return () => 1;
    const factor = this.positive('rope.scaling.factor', this.positive('rope.scale_linear', 1));
    if (type === 'linear') return () => factor;
    return this.#yarn(factor, base, pairs, whole);
  }

  /**
   * Pairs that turn often within the original context keep their speed, those that turn less than once slow down, and
   * those between do so in part (Peng et al., YaRN).
   */
  #yarn(factor: number, base: number, pairs: number, whole: boolean): (i: number) => number {
    const original = this.size('rope.scaling.original_context_length');
    const pairOf = (turns: number) => (pairs * Math.log(original / (turns * 2 * Math.PI))) / Math.log(base);
    const fast = pairOf(this.positive('rope.scaling.yarn_beta_fast', 32));
    const slow = pairOf(this.positive('rope.scaling.yarn_beta_slow', 1));
    const low = Math.max(0, whole ? Math.floor(fast) : fast);
    const high = Math.min(2 * pairs - 1, whole ? Math.ceil(slow) : slow);
    return (i) => {
      const slowed = Math.max(0, Math.min(1, (i - low) / Math.max(high - low, 0.001)));
      return 1 / (slowed / factor + (1 - slowed));
    };
  }
}

/** The common size of all layers. Throws UserError if they differ. */
function sizeOfAll(key: string, perLayer: ArrayLike<number>): number {
  const sizes = new Set(Array.from(perLayer));
  if (sizes.size > 1) throw unsupported(`A ${key} that differs between layers`);
  return perLayer[0] ?? 0;
}

function readRopeFactors({ path, tensors }: Gguf, pairs: number): Float32Array | undefined {
  const tensor = tensors.get('rope_freqs.weight') ?? tensors.get('rope_factors_short.weight');
  if (!tensor) return undefined;
  const found = `${tensor.type} [${tensor.shape.join(', ')}]`;
  ensure(found === `F32 [${pairs}]`, `${tensor.name} to be F32 [${pairs}]`, found);
  const factors = new Float32Array(pairs);
  if (tensor.source?.op === 'range' && 'bytes' in tensor.source.at) {
    factors.set(new Float32Array(tensor.source.at.bytes.slice().buffer));
    return checkedFactors(factors, tensor.name);
  }
  const file = openSync(tensor.part ?? path, 'r');
  try {
    readSync(file, factors, 0, factors.byteLength, tensor.offset);
  } finally {
    closeSync(file);
  }
  return checkedFactors(factors, tensor.name);
}

function checkedFactors(factors: Float32Array, name: string): Float32Array {
  const wrong = factors.find((factor) => !(factor > 0));
  ensure(wrong === undefined, `every factor in ${name} to be positive`, wrong);
  return factors;
}

// ----- errors

/** Returns `got` if the condition holds; else throws UserError. */
function ensure<T>(holds: boolean, expected: string, got: T): T {
  if (holds) return got;
  throw new UserError(
    `Expected ${expected}, got ${got}.`,
    'The file was converted wrongly or is damaged: get the model again, or convert it anew.',
  );
}

export function unsupported(what: string, supported = ''): UserError {
  return new UserError(
    `${what} is not supported yet${supported}.`,
    'Use another model, or a later version of percept.',
  );
}
