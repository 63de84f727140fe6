/**
 * Logits of the CPU backend do not depend on threads, on how a prompt is cut into steps, on the rest of the batch, or
 * on the class of CPU. Everything here is compared bit for bit.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Executable, KvType, Op, Slice } from '../../backends/backend.ts';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { compileKernels, instantiate, type KernelChoice } from '../../backends/cpu/wasm-module.ts';
import { inputsOf } from '../../bench/conformance/attention.ts';
import { CHECKED_CASES, type CheckedCase } from '../../bench/conformance/cases.ts';
import { outputOf } from '../../bench/conformance/judge.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import { nameOf } from '../../bench/conformance/op-case.ts';
import { graphFromGguf } from '../../core/architectures/index.ts';
import { readGguf } from '../../core/gguf/index.ts';
import { programOn } from '../../core/program.ts';
import { QUANT_FORMATS, type TensorType } from '../../kernels/quant-formats.ts';
import { HEAP } from '../../kernels/wasm/layout.ts';
import { OTHER_CPUS } from '../emulated-kernels.ts';
import { seeded } from '../random.ts';
import { allRows, lastRows } from './steps.ts';

const MODEL = resolve(import.meta.dirname, '../fixtures/tiny-llama.Q8_0.gguf');
const DIST = resolve(import.meta.dirname, '../../dist');
/** Crosses two chunks of 128 keys and many blocks of 16. */
const TOKENS = Array.from({ length: 300 }, (_, i) => (i * 7919) % 500);

const disposals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const dispose of disposals) await dispose();
});

async function load(type: KvType, threads: number, kernels?: KernelChoice): Promise<Executable> {
  const gguf = await readGguf(MODEL);
  const backend = await createCpuBackend({ threads, ...kernels });
  disposals.push(() => backend.dispose());
  const limits = { sequences: 3, contextLength: 400, maxTokens: 400, kvType: type };
  const source = ({ offset }: { offset: number }) => ({ path: MODEL, offset });
  return backend.compile(programOn(backend, graphFromGguf(gguf), { name: 'bits', limits, source }));
}

async function last(executable: Executable, ...slices: Slice[]): Promise<Uint32Array> {
  return new Uint32Array((await lastRows(executable, ...slices)).buffer);
}

/** Logits of the last token, the prompt computed `step` tokens at a time. */
async function inSteps(executable: Executable, step: number): Promise<Uint32Array> {
  let bits: Uint32Array = new Uint32Array();
  for (let pos = 0; pos < TOKENS.length; pos += step) {
    bits = await last(executable, { seq: 0, pos, tokens: TOKENS.slice(pos, pos + step) });
  }
  return bits;
}

describe.each<KvType>(['f32', 'f16', 'q8'])('bits of the logits, cache in %s', async (type) => {
  const executable = await load(type, 2);
  const expected = await inSteps(executable, 300);

  it.each([1, 2, 3, 4, 5, 17, 129])(
    'are those of one step when the prompt comes %i at a time',
    async (step) => {
      expect(await inSteps(executable, step)).toEqual(expected);
    },
  );

  it.each([1, 3])('are those of two threads on %i', async (threads) => {
    expect(await inSteps(await load(type, threads), 300)).toEqual(expected);
    expect(await inSteps(await load(type, threads), 1)).toEqual(expected);
  });

  it.each(OTHER_CPUS)('are the same with kernels $dotClass, emulated $emulated', async (kernels) => {
    const other = await load(type, 2, kernels);
    expect(await inSteps(other, 300)).toEqual(expected);
    expect(await inSteps(other, 3)).toEqual(expected);
    expect(await inSteps(other, 1)).toEqual(expected);
  });

  it('do not depend on the rest of the batch, nor on a copied beginning', async () => {
    await last(
      executable,
      { seq: 0, pos: 0, tokens: TOKENS.slice(0, 200) },
      { seq: 1, pos: 0, tokens: TOKENS.slice(0, 150) },
    );
    executable.kvCopy(0, 2, 170);
    const rest = { seq: 1, pos: 150, tokens: TOKENS.slice(150) };
    const rows = await last(executable, rest, { seq: 0, pos: 200, tokens: [5] });
    expect(rows.slice(0, expected.length)).toEqual(expected);
    expect(await last(executable, { seq: 2, pos: 170, tokens: TOKENS.slice(170) })).toEqual(expected);
  });
});

/** Attention of tokens over themselves, which see the last `window`. */
async function windowed(type: KvType, window: number, threads: number): Promise<Executable> {
  const backend = await createCpuBackend({ threads });
  disposals.push(() => backend.dispose());
  const ops: Op[] = inputsOf({ heads: 10, kvHeads: 2, D: 24 }, type).map(({ desc, bytes }) => {
    return { op: 'embed', table: backend.weight(desc, { bytes }) };
  });
  ops.push({ op: 'attention', q: 0, k: 1, v: 2, state: 0, heads: 10, scale: 0.2, window });
  ops.push({ op: 'select', x: 3 });
  const states = [{ kind: 'kv', kvHeads: 2, keyDim: 24, valueDim: 24 } as const];
  const limits = { sequences: 2, contextLength: 400, maxTokens: 400, kvType: type };
  return backend.compile({ name: 'a window', ops, output: 4, states, limits });
}

describe.each<KvType>(['f32', 'f16', 'q8'])('bits of attention in a window, cache in %s', (type) => {
  it.each([1, 5, 100, 129])('of %i do not depend on threads, steps or the batch', async (window) => {
    const tokens = TOKENS.map((token) => token % 40);
    const [one, three] = [await windowed(type, window, 1), await windowed(type, window, 3)];
    const whole = await allRows(one, { seq: 0, pos: 0, tokens });
    for (const step of [1, 3, 17, 129]) {
      const parts: number[] = [];
      for (let pos = 0; pos < tokens.length; pos += step) {
        const part = { seq: 1, pos, tokens: tokens.slice(pos, pos + step) };
        const rows = await allRows(three, part, { seq: 0, pos: 0, tokens: tokens.slice(7, 8) });
        parts.push(...rows.subarray(0, part.tokens.length * 240));
      }
      expect(firstDifference(Float32Array.from(parts), whole), `${step} at a time`).toBe(-1);
    }
  });
});

describe('bits of a convolution', () => {
  it.each([2, 4])('with %i weights a column do not depend on threads, steps or the batch', async (K) => {
    const C = 172;
    const load = async (threads: number) => {
      const backend = await createCpuBackend({ threads });
      disposals.push(() => backend.dispose());
      const matrices = [randomMatrix('F32', 500, C), randomMatrix('F32', C, K)];
      const [table, weight] = matrices.map(({ desc, bytes }) => backend.weight(desc, { bytes }));
      const ops: Op[] = [
        { op: 'embed', table: table! },
        { op: 'conv', x: 0, weight: weight!, state: 0 },
        { op: 'select', x: 1 },
      ];
      const states = [{ kind: 'recurrent', floats: (K - 1) * C } as const];
      const limits = { sequences: 2, contextLength: 400, maxTokens: 400 };
      return backend.compile({ name: 'a convolution', ops, output: 2, states, limits });
    };
    const [one, three] = [await load(1), await load(3)];
    const whole = await allRows(one, { seq: 0, pos: 0, tokens: TOKENS });
    for (const step of [1, 2, 3, 17, 129]) {
      const parts: number[] = [];
      for (let pos = 0; pos < TOKENS.length; pos += step) {
        const part = { seq: 1, pos, tokens: TOKENS.slice(pos, pos + step) };
        const rows = await allRows(three, { seq: 0, pos: 0, tokens: TOKENS.slice(7, 9) }, part);
        parts.push(...rows.subarray(2 * C));
      }
      expect(firstDifference(Float32Array.from(parts), whole), `${step} at a time`).toBe(-1);
    }
  });
});

/** Cases with products of 8-bit integers, the only part of the kernels that depends on the class. */
const CASES = CHECKED_CASES.filter(({ op, type, check }) =>
  op === 'attention' ? check.program([]).limits.kvType === 'q8' : op === 'matmul' && isCoded(type!),
);

function isCoded(type: TensorType): boolean {
  return QUANT_FORMATS[type].elements > 1;
}

/** First index at which the bits of two arrays differ, or -1; a message with all values would take minutes. */
function firstDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  const other = new Uint32Array(b.buffer, b.byteOffset, b.length);
  return new Uint32Array(a.buffer, a.byteOffset, a.length).findIndex((bits, i) => bits !== other[i]);
}

describe('ops', async () => {
  const usual = await createCpuBackend({ threads: 2 });
  disposals.push(() => usual.dispose());
  const outputs = new Map<CheckedCase, Promise<Float32Array>>(); // of this CPU's kernels

  describe.each(OTHER_CPUS)('with kernels $dotClass, emulated $emulated', async (kernels) => {
    const other = await createCpuBackend({ threads: 2, ...kernels });
    disposals.push(() => other.dispose());
    it.each(CASES.map((each) => [nameOf(each), each] as const))('%s', async (_, op) => {
      const expected = outputs.get(op) ?? outputOf(op, usual);
      outputs.set(op, expected);
      expect(firstDifference(await outputOf(op, other), await expected)).toBe(-1);
    });
  });
});

/** The product with the longest rows for each type of weight. */
const PRODUCTS = new Map(
  CASES.filter(({ op, timing }) => op === 'matmul' && !timing)
    .toSorted((a, b) => a.check.weights[1]!.desc.cols - b.check.weights[1]!.desc.cols)
    .map((product) => [product.type, product.check]),
);
/** f32 rows, row 1 is the largest 8-bit value in all places, so that its sums with codes are maximal. */
function withExtremes(rows: Uint8Array, cols: number): Uint8Array<ArrayBuffer> {
  const extreme = rows.slice();
  new Float32Array(extreme.buffer).fill(1, cols, 2 * cols);
  return extreme;
}

/** Tokens of a step: one, a tile, part of one, and enough to unpack the weights. */
const SIZES = [2, 3, 4, 5, 6, 7, 8, 9, 17, 33, 40];

describe.each<KernelChoice>([{}, ...OTHER_CPUS])(
  'a row of a product, kernels $dotClass, emulated $emulated',
  async (kernels) => {
    const backend = await createCpuBackend({ threads: 2, ...kernels });
    disposals.push(() => backend.dispose());

    it.each([...PRODUCTS])('has the same bits in every step, %s', async (_, product) => {
      const [table, ...weights] = product.weights;
      const ids = [
        backend.weight(table!.desc, { bytes: withExtremes(table!.bytes, table!.desc.cols) }),
        ...weights.map(({ desc, bytes }) => backend.weight(desc, { bytes })),
      ];
      const limits = { sequences: 1, contextLength: 40, maxTokens: 40 };
      const executable = await backend.compile({ ...product.program(ids), limits });
      const tokens = Array.from({ length: 40 }, (_, id) => id);
      const alone: number[] = [];
      for (const id of tokens) alone.push(...(await last(executable, { seq: 0, pos: 0, tokens: [id] })));
      for (const size of SIZES) {
        const logits = await allRows(executable, { seq: 0, pos: 0, tokens: tokens.slice(0, size) });
        const bits = [...new Uint32Array(logits.buffer)];
        expect(bits, `${size} tokens`).toEqual(alone.slice(0, (alone.length / tokens.length) * size));
      }
      executable.dispose();
    });
  },
);

/** 16 bytes of x (s8) times 16 of w, as a class of CPU computes it: the sum of four products for each lane. */
function dotProduct(dotClass: KernelChoice['dotClass'], x: Int8Array, w: Uint8Array): Int32Array {
  const read = dotClass === 'signed' ? new Int8Array(w.buffer) : w;
  const pair = (i: number) => x[i]! * read[i]! + x[i + 1]! * read[i + 1]!;
  const kept = (sum: number) => (dotClass === 'saturating' ? Math.max(-32768, Math.min(32767, sum)) : sum);
  return Int32Array.of(0, 4, 8, 12).map((i) => kept(pair(i)) + kept(pair(i + 2)));
}

describe('the dot products of', async () => {
  const own = await compileKernels();
  const modules = [
    own,
    ...(await Promise.all(OTHER_CPUS.filter((kernels) => kernels.emulated).map(compileKernels))),
  ];
  it.each(modules)('$dotClass kernels are the definition of the class', ({ module, dotClass }) => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
    const { multiplyRoof } = instantiate(module, memory);
    const below = seeded(11);
    for (let round = 0; round < 200; round++) {
      // Extremes often, in x (one word for all lanes) and in w.
      const byte = () => (below(3) === 0 ? [0, 127, 128, 255][below(4)]! : below(256));
      const word = Array.from({ length: 4 }, byte);
      const w = Uint8Array.from({ length: 16 }, byte);
      new Uint8Array(memory.buffer, HEAP, 4).set(word);
      for (const at of [64, 80]) new Uint8Array(memory.buffer, HEAP + at, 16).set(w);
      multiplyRoof(HEAP, 1);
      const sums = new Int32Array(memory.buffer, HEAP + 64, 4).slice(); // of eight equal products
      const x = Int8Array.from({ length: 16 }, (_, i) => word[i % 4]!);
      expect(sums).toEqual(dotProduct(dotClass, x, w).map((sum) => 8 * sum));
    }
  });
});

/** Number of times that an instruction occurs: 0xfd, then the opcode as LEB128 (relaxed SIMD, opcodes 0x100-0x12f). */
function count(file: string, opcode: number): number {
  const module = readFileSync(resolve(DIST, file));
  let found = 0;
  for (let i = 0; i + 2 < module.length; i++) {
    if (module[i] === 0xfd && module[i + 1] === ((opcode & 0x7f) | 0x80) && module[i + 2] === opcode >> 7)
      found++;
  }
  return found;
}

const DOT = 0x113; // i32x4.relaxed_dot_i8x16_i7x16_add_s
const NARROW_DOT = 0x112; // i16x8.relaxed_dot_i8x16_i7x16_s
const MADD = 0x105; // f32x4.relaxed_madd

it.each(['unsigned', 'signed', 'saturating'])('%s kernels multiply with the relaxed instructions', (name) => {
  expect(count(`kernels-${name}.wasm`, DOT)).toBeGreaterThan(100);
  expect(count(`kernels-${name}.wasm`, MADD)).toBeGreaterThan(50);
  const narrow = count(`kernels-${name}.wasm`, NARROW_DOT);
  if (name === 'saturating') expect(narrow).toBeGreaterThan(50);
  else expect(narrow).toBe(0); // branches of other classes leave no code
  for (const opcode of [DOT, NARROW_DOT]) expect(count(`emulated/kernels-${name}.wasm`, opcode)).toBe(0);
});
