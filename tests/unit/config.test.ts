import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DecoderConfig } from '../../core/architectures/decoder.ts';
import { configFromGguf as anyConfig } from '../../core/architectures/index.ts';
import type { Gguf, GgufTensor, GgufValue } from '../../core/gguf/index.ts';
import { UserError } from '../../errors.ts';

const SIZES: Record<string, GgufValue> = {
  'general.architecture': 'llama',
  'llama.block_count': 30,
  'llama.context_length': 8192,
  'llama.embedding_length': 576,
  'llama.feed_forward_length': 1536,
  'llama.attention.head_count': 9,
  'llama.attention.head_count_kv': 3,
  'llama.attention.layer_norm_rms_epsilon': 1e-5,
  'llama.rope.dimension_count': 64,
  'llama.rope.freq_base': 100_000,
  'llama.vocab_size': 49_152,
};

const configFromGguf = (gguf: Gguf) => anyConfig(gguf) as DecoderConfig & { architecture: string };

/** The directory of a file, without a file; undefined removes a key. */
function gguf(
  changes: Record<string, GgufValue | undefined> = {},
  tensors: GgufTensor[] = [],
  path = '',
): Gguf {
  const entries = Object.entries({ ...SIZES, ...changes }).filter(([, value]) => value !== undefined);
  return {
    path,
    version: 3,
    fileBytes: 0,
    alignment: 32,
    metadata: new Map(entries as [string, GgufValue][]),
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
  };
}

function frequencies(changes: Record<string, GgufValue>): readonly number[] {
  return configFromGguf(gguf(changes)).rope.inverseFrequencies;
}

describe('configFromGguf', () => {
  it('reads the sizes', () => {
    const config = configFromGguf(gguf());
    expect(config).toMatchObject({
      architecture: 'llama',
      nLayers: 30,
      embeddingLength: 576,
      feedForwardLength: 1536,
      nHeads: 9,
      nKvHeads: 3,
      headDim: 64,
      vocabularySize: 49_152,
      contextLength: 8192,
      rmsEps: 1e-5,
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('defaults to as many kv heads as heads, and to heads that share the embedding', () => {
    const config = configFromGguf(gguf({ 'llama.attention.head_count_kv': undefined }));
    expect([config.nKvHeads, config.headDim]).toEqual([9, 64]);
    const wide = { 'llama.attention.key_length': 128, 'llama.attention.value_length': 128 };
    expect(configFromGguf(gguf(wide)).headDim).toBe(128);
  });

  it('accepts one size for each layer if all are the same', () => {
    expect(
      configFromGguf(gguf({ 'llama.feed_forward_length': Uint32Array.of(64, 64) })).feedForwardLength,
    ).toBe(64);
    const mixed = gguf({ 'llama.feed_forward_length': Uint32Array.of(64, 96) });
    expect(() => configFromGguf(mixed)).toThrow(
      'llama.feed_forward_length that differs between layers is not supported yet',
    );
  });

  it('counts the vocabulary by its tokens', () => {
    const tokens = {
      length: 7,
      bytes: new Uint8Array(),
      offsets: new Uint32Array(7),
      lengths: new Uint32Array(7),
      at: () => '',
    };
    expect(configFromGguf(gguf({ 'tokenizer.ggml.tokens': tokens })).vocabularySize).toBe(7);
  });

  it.each([
    [
      'an unknown architecture',
      { 'general.architecture': 'mamba' },
      'The architecture "mamba" is not supported yet; supported: llama, apertus, ',
    ],
    [
      'a name every object has',
      { 'general.architecture': 'toString' },
      'The architecture "toString" is not supported yet',
    ],
    ['no architecture', { 'general.architecture': undefined }, 'general.architecture'],
    ['no layer count', { 'llama.block_count': undefined }, 'llama.block_count'],
    [
      'no layers',
      { 'llama.block_count': 0 },
      'Expected llama.block_count to be an integer from 1 to 2147483647, got 0.',
    ],
    ['half a layer', { 'llama.block_count': 1.5 }, 'got 1.5.'],
    ['an absurd size', { 'llama.embedding_length': 2 ** 40 }, 'llama.embedding_length'],
    ['a size in words', { 'llama.context_length': 'long' }, 'llama.context_length'],
    ['an empty list of sizes', { 'llama.feed_forward_length': new Uint32Array() }, 'got 0.'],
    [
      'heads that do not share the embedding',
      { 'llama.attention.head_count': 7, 'llama.attention.head_count_kv': 7 },
      'attention.key_length',
    ],
    [
      'kv heads that do not divide the heads',
      { 'llama.attention.head_count_kv': 2 },
      'Expected attention.head_count_kv to divide the 9 heads, got 2.',
    ],
    ['absurd heads', { 'llama.attention.key_length': 2 ** 30 }, 'Expected heads of at most 65536 dimensions'],
    [
      'values unlike keys',
      { 'llama.attention.value_length': 32 },
      'Expected attention.value_length to be the key length 64, got 32.',
    ],
    [
      'no epsilon',
      { 'llama.attention.layer_norm_rms_epsilon': undefined },
      'llama.attention.layer_norm_rms_epsilon',
    ],
    [
      'a negative epsilon',
      { 'llama.attention.layer_norm_rms_epsilon': -1 },
      'to be a positive number, got -1.',
    ],
    [
      'experts scored in a way it does not know',
      { 'llama.expert_count': 8, 'llama.expert_used_count': 2, 'llama.expert_gating_func': 9 },
      'The expert_gating_func 9 is not supported yet; supported: 1 (softmax), 2 (sigmoid).',
    ],
    [
      'an odd rotation',
      { 'llama.rope.dimension_count': 63 },
      'Expected llama.rope.dimension_count to be even and at most 64, got 63.',
    ],
    ['a rotation wider than a head', { 'llama.rope.dimension_count': 66 }, 'got 66.'],
    ['an infinite base', { 'llama.rope.freq_base': Infinity }, 'llama.rope.freq_base'],
    [
      'another scaling',
      { 'llama.rope.scaling.type': 'spiral' },
      'RoPE scaling of type "spiral" is not supported yet; supported: none, linear, yarn, longrope.',
    ],
  ])('refuses %s', (_, changes, message) => {
    const read = () => configFromGguf(gguf(changes));
    expect(read).toThrow(UserError);
    expect(read).toThrow(message);
  });
});

describe('rotary embedding', () => {
  const four = { 'llama.rope.dimension_count': 4 };

  it('rotates pair i by base^(-2i / dimensions), interleaved', () => {
    const { layout, inverseFrequencies } = configFromGguf(gguf(four)).rope;
    expect(layout).toBe('interleaved');
    expect(inverseFrequencies).toEqual([1, 100_000 ** -0.5]);
    expect(
      configFromGguf(gguf({ 'llama.rope.dimension_count': undefined })).rope.inverseFrequencies,
    ).toHaveLength(32);
  });

  it('has base 10000 by default', () => {
    expect(
      configFromGguf(gguf({ ...four, 'llama.rope.freq_base': undefined })).rope.inverseFrequencies[1],
    ).toBeCloseTo(0.01, 15);
  });

  it('is slowed by linear scaling, under its new and its old key', () => {
    expect(
      frequencies({ ...four, 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4 })[0],
    ).toBe(0.25);
    expect(frequencies({ ...four, 'llama.rope.scale_linear': 2 })[0]).toBe(0.5);
    expect(
      frequencies({ ...four, 'llama.rope.scaling.type': 'none', 'llama.rope.scaling.factor': 4 })[0],
    ).toBe(1);
  });

  it('divides by the factors in rope_freqs.weight', () => {
    const folder = mkdtempSync(join(tmpdir(), 'percept-config-'));
    try {
      const path = join(folder, 'factors');
      const factors = (...values: number[]) => {
        writeFileSync(path, new Uint8Array(Float32Array.of(9, ...values).buffer));
        const shape = [values.length];
        const tensor = {
          name: 'rope_freqs.weight',
          type: 'F32',
          shape,
          offset: 4,
          bytes: 4 * values.length,
        } as const;
        return configFromGguf(gguf(four, [tensor], path)).rope.inverseFrequencies;
      };
      expect(factors(1, 8)).toEqual([1, 100_000 ** -0.5 / 8]);
      expect(() => factors(1, 0)).toThrow(
        'Expected every factor in rope_freqs.weight to be positive, got 0.',
      );
      expect(() => factors(1, 2, 3)).toThrow('Expected rope_freqs.weight to be F32 [2], got F32 [3].');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
