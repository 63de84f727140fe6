/** Quantization against gguf-py's and llama.cpp's bytes, and the types of checkpoints against their definitions. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readGguf } from '../../core/gguf/index.ts';
import { allFinite } from '../../kernels/finite.ts';
import { QUANT_FORMATS, rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import { dequantize } from '../../kernels/reference/dequantize.ts';
import { QUANTIZED_TYPES, quantize } from '../../kernels/reference/quantize.ts';
import { DECODED_TYPES, decode, SOURCE_TYPES, sourceFormat } from '../../kernels/source-formats.ts';
import { describeShared } from '../shared.ts';

/**
 * Made with gguf-py 0.19 of three blocks of 32:
 *
 *   import numpy as np, gguf
 *   i = np.arange(32, dtype=np.float64)
 *   x = np.concatenate([((i * 7919) % 251 - 125) / 32, i * 0, ((i * 104729) % 1009 - 504) / 500]).astype(np.float32)
 *   print(gguf.quants.quantize(x.reshape(1, -1), gguf.GGMLQuantizationType[name]).tobytes().hex())
 */
const GGUF_PY: Partial<Record<TensorType, string>> = {
  F16:
    'd0c3803640c2c03cb0c0e03f40be804140ba1043000010c3403a80c1403ee0bfb040c0bc404280b6d043003650c2a03cc0c0' +
    'c03f60be704180ba004300a820c3000000000000000000000000000000000000000000000000000000000000000000000000' +
    '0000000000000000000000000000000000000000000000000000000008bcc538d3316db32bb9aa3b5a3829308bb496b93f3b' +
    'df37fe2c60b500bad53a0a37a82635b66aba6a3a3536a8a60ab7d5ba003a6035feacdfb73fbb96398b34',
  BF16:
    '7ac0d03e48c0983f16c0fc3fc8bf304048bf6240000062c0483f30c0c83ffcbf164098bf4840d0be7a40c03e4ac0943f18c0' +
    'f83fccbf2e4050bf604000bd64c0000000000000000000000000000000000000000000000000000000000000000000000000' +
    '0000000000000000000000000000000000000000000000000000000081bf193f3a3e6ebe25bf753f0b3f053e91be33bf683f' +
    'fc3ea03dacbe40bf5b3fe13ed53cc7be4dbf4d3fc73ed5bce1be5bbf403fac3ea0bdfcbe68bf333f913e',
  Q8_0:
    'e027810d9a27b440cd59e773008d19a733c04cd966f37f0c9926b33fcc58e672ff8c00000000000000000000000000000000' +
    '0000000000000000000000000000000000001020814b17e3af794510dca8723e0ad6a26c3703cf9b6531fdc9945e2af6c28e' +
    '5824',
  Q4_0:
    'd037d069e27af39c25ae36cf58e16af28b140080888888888888888888888888888888880830b08d5926e3bf8c5916e2bf7c' +
    '4915e2af',
  Q4_1:
    '2b38d0c3c058e27af38b15ad36be48d169e27b140000000000000000000000000000000000000000323008bcb08c5926e3bf' +
    '7c4916d2af7b4815d2ae',
  Q5_0:
    'd033aa56b56aa0b2d3e5f6283a5b6d8e90b2d3e506180080ffffffff00000000000000000000000000000000082ce69c73c6' +
    '7009a33cd66f09922bc55ef8812bb45e',
  Q5_1:
    '0834d0c3aa56b52a90b1c3e4f617394a6c7e90a1c3d5f6180000000000000000000000000000000000000000000000000f2c' +
    '08bce69c33c67009a33cd66ff8922bc55ef8812bb44d',
};

const NUMBERS = Float32Array.from({ length: 96 }, (_, at) => {
  const i = at % 32;
  if (at < 32) return (((i * 7919) % 251) - 125) / 32;
  return at < 64 ? 0 : (((i * 104729) % 1009) - 504) / 500;
});

/** 8 times the same: for types with blocks of 256. */
const MANY = Float32Array.from({ length: 768 }, (_, i) => NUMBERS[i % 96]!);

function quantized(type: TensorType, values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(rowBytes(type, values.length));
  quantize(type, values, bytes);
  return bytes;
}

describe('quantize', () => {
  it.each(Object.entries(GGUF_PY))('%s gives the bytes of gguf-py', (type, hex) => {
    expect(Buffer.from(quantized(type as TensorType, NUMBERS)).toString('hex')).toBe(hex);
  });

  it.each(QUANTIZED_TYPES)('%s of what it holds exactly gives the same again', (type) => {
    const numbers = QUANT_FORMATS[type].elements > 96 ? MANY : NUMBERS;
    const once = dequantize(type, quantized(type, numbers));
    const coarse = type.startsWith('Q') && type !== 'Q8_0' ? 0.5 : 0.02;
    for (const [i, value] of once.entries())
      expect(Math.abs(value - numbers[i]!)).toBeLessThanOrEqual(coarse);
    if (numbers !== MANY && !type.endsWith('_1'))
      expect(dequantize(type, quantized(type, once))).toEqual(once);
  });

  it('keeps what is no number, and makes infinity of what float16 does not reach', () => {
    const odd = Float32Array.of(Number.NaN, Infinity, -Infinity, 1e38);
    const [largest] = dequantize('BF16', quantized('BF16', odd.subarray(3)));
    expect(Math.abs(largest! / 1e38 - 1)).toBeLessThan(2 ** -8);
    expect([...dequantize('BF16', quantized('BF16', odd.subarray(0, 3)))]).toEqual([
      Number.NaN,
      Infinity,
      -Infinity,
    ]);
    expect([...dequantize('F16', quantized('F16', odd))]).toEqual([
      Number.NaN,
      Infinity,
      -Infinity,
      Infinity,
    ]);
  });

  it.each(QUANTIZED_TYPES)('%s keeps a block with NaN or infinity from being finite', (type) => {
    for (const odd of [Number.NaN, Infinity, -Infinity]) {
      for (const at of [0, 17, 31]) {
        const values = MANY.slice(0, Math.max(32, QUANT_FORMATS[type].elements));
        values[at] = odd;
        expect(allFinite(type, quantized(type, values)), `${odd} at ${at}`).toBe(false);
      }
    }
  });

  it('names the types it knows for another', () => {
    const call = () => quantize('Q3_K', new Float32Array(256), new Uint8Array(110));
    expect(call).toThrow(/^Expected one of .*Q4_K.*F32.*, got Q3_K\.$/);
  });
});

describeShared('quantize, of the whole file that llama.cpp quantized', (path) => {
  const open = async (name: string) => {
    const file = path(`goldens/quantization/${name}.gguf`);
    return { tensors: (await readGguf(file)).tensors, bytes: readFileSync(file) };
  };
  /** Each tensor of the type in the file: its floats, and the bytes that llama.cpp made of them. */
  async function* pairs(file: string, type: TensorType) {
    const [floats, made] = [await open('F32'), await open(file)];
    for (const { name, type: own, offset, bytes } of made.tensors.values()) {
      if (own !== type) continue; // some tensors keep another type
      const { offset: start, bytes: length } = floats.tensors.get(name)!;
      const values = new Float32Array(Uint8Array.from(floats.bytes.subarray(start, start + length)).buffer);
      yield { name, values, expected: made.bytes.subarray(offset, offset + bytes) };
    }
  }

  it.each(QUANTIZED_TYPES.filter((type) => QUANT_FORMATS[type].elements <= 32))(
    '%s gives its bytes',
    async (type) => {
      let compared = 0;
      for await (const { name, values, expected } of pairs(type, type)) {
        expect(Buffer.compare(quantized(type, values), expected), name).toBe(0);
        compared += expected.length;
      }
      expect(compared).toBeGreaterThan(100_000);
    },
  );

  it.each([
    ['Q4_K', 'Q4_K_S'],
    ['Q5_K', 'Q5_K_S'],
    ['Q6_K', 'Q6_K'],
  ] as const)('%s errs less than it', async (type, file) => {
    const error = (values: Float32Array, made: Uint8Array) =>
      dequantize(type, Uint8Array.from(made)).reduce((sum, x, i) => sum + (x - values[i]!) ** 2, 0);
    let [ours, theirs] = [0, 0];
    for await (const { values, expected } of pairs(file, type)) {
      ours += error(values, quantized(type, values));
      theirs += error(values, expected);
    }
    expect(theirs).toBeGreaterThan(0);
    expect(ours).toBeLessThan(theirs);
  });
});

describe('decode', () => {
  const of = (type: Parameters<typeof decode>[0], ...bytes: number[]) => [
    ...decode(type, Uint8Array.from(bytes)),
  ];

  it('reads floats of 8 bits as their specification has them', () => {
    // OCP 8-bit Floating Point 1.0, table 2: zero, least and largest subnormal, least and largest normal, NaN
    expect(of('F8_E4M3', 0x00, 0x01, 0x07, 0x08, 0x7e, 0xfe, 0x38, 0x7f, 0xff)).toEqual([
      ...[0, 2 ** -9, 7 * 2 ** -9, 2 ** -6, 448, -448, 1],
      ...[Number.NaN, Number.NaN],
    ]);
    expect(of('F8_E5M2', 0x00, 0x01, 0x03, 0x04, 0x7b, 0xfb, 0x3c, 0x7c, 0xfc, 0x7e)).toEqual([
      ...[0, 2 ** -16, 3 * 2 ** -16, 2 ** -14, 57344, -57344, 1],
      ...[Infinity, -Infinity, Number.NaN],
    ]);
    expect(of('F8_E8M0', 0, 127, 128, 254, 255)).toEqual([2 ** -127, 1, 2, 2 ** 127, Number.NaN]);
    expect(of('U8', 0, 255)).toEqual([0, 255]);
  });

  it.each(DECODED_TYPES.filter((type) => type in QUANT_FORMATS))('%s as dequantize does', (type) => {
    const { bytes } = sourceFormat(type);
    const block = Uint8Array.from({ length: 2 * bytes }, (_, i) => (i * i * 5 + i * 37 + 11) & 127);
    expect(decode(type, block)).toEqual(dequantize(type as TensorType, block));
  });

  it('every type has a size', () => {
    for (const type of SOURCE_TYPES) expect(sourceFormat(type).bytes, type).toBeGreaterThan(0);
  });
});
