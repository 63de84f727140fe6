/** Seeded random numbers: xoshiro128** 1.1 (Blackman and Vigna, public domain), seeded by SplitMix64. */
export class Random {
  #a = 0; // four words of state, int32
  #b = 0;
  #c = 0;
  #d = 0;

  /** @param seed integer from 0 to 2^32 - 1 */
  constructor(seed: number) {
    this.seed(seed);
  }

  /** Restarts the stream of `seed`. */
  seed(seed: number): void {
    const [low, high] = splitMix64(BigInt(seed));
    this.setState(Number(low & M32), Number(low >> 32n), Number(high & M32), Number(high >> 32n));
  }

  setState(a: number, b: number, c: number, d: number): void {
    this.#a = a | 0;
    this.#b = b | 0;
    this.#c = c | 0;
    this.#d = d | 0;
  }

  /** Next 32 random bits, 0 to 2^32 - 1. */
  bits32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    const high = this.bits32() >>> 5; // 27 bits
    const low = this.bits32() >>> 6; // 26 bits
    return (high * 2 ** 26 + low) / 2 ** 53;
  }
}

const M32 = 0xffffffffn;
const M64 = 0xffffffffffffffffn;

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

/** First two outputs of SplitMix64 (Steele, Lea and Flood 2014; constants of Vigna's splitmix64.c). */
export function splitMix64(seed: bigint): [bigint, bigint] {
  const output = (state: bigint): bigint => {
    let z = state & M64;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & M64;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & M64;
    return z ^ (z >> 31n);
  };
  const step = 0x9e3779b97f4a7c15n;
  return [output(seed + step), output(seed + 2n * step)];
}
