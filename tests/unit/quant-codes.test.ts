import { describe, expect, it } from 'vitest';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import { CODED_TYPES, newCodes, PART, unpackBlocks } from '../../kernels/quant-codes.ts';
import { DEQUANTIZED_TYPES } from '../../kernels/reference/dequantize.ts';

describe('unpacked weights', () => {
  it.each(CODED_TYPES)('%s: code * scale + minimum is the weight', (type) => {
    const { bytes, values } = randomMatrix(type, 5, 512);
    const { codes, scales, minimums } = randomCodes(values.length);
    unpackBlocks(type, bytes, { codes, scales, minimums });
    const part = (i: number) => Math.floor(i / PART);
    const got = values.map((_, i) => codes[i]! * scales[part(i)]! + minimums[part(i)]! + 0); // no -0
    expect(got).toEqual(values.map((value) => value + 0));
  });

  it('all types but the float ones', () => {
    const floats = ['F32', 'F16', 'BF16'];
    expect([...CODED_TYPES].sort()).toEqual(
      DEQUANTIZED_TYPES.filter((type) => !floats.includes(type)).sort(),
    );
    expect(() => unpackBlocks('F32', new Uint8Array(4), newCodes(16))).toThrow(RangeError);
  });
});

/** Buffers with old content, which must not show. */
function randomCodes(count: number) {
  const room = newCodes(count);
  room.codes.fill(77);
  room.scales.fill(7);
  room.minimums.fill(7);
  return room;
}
