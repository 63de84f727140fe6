/**
 * The CPU backend's promise: logits do not depend on threads, on how a prompt is cut into steps, on what else is in
 * the batch, or on the class of CPU. Everything here is compared bit for bit.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Executable, KvType, Slice } from '../../backends/backend.ts';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import type { DotClass } from '../../backends/cpu/wasm-module.ts';
import { CHECKED_CASES } from '../../bench/conformance/cases.ts';
import { runCase } from '../../bench/conformance/judge.ts';
import { nameOf } from '../../bench/conformance/op-case.ts';
import { ARCHITECTURES } from '../../core/architectures/index.ts';
import { configFromGguf } from '../../core/config.ts';
import { readGguf } from '../../core/gguf.ts';
import { checkTensors, handOver } from '../../core/weights.ts';

const MODEL = resolve(import.meta.dirname, '../fixtures/tiny-llama.Q8_0.gguf');
const KERNELS = resolve(import.meta.dirname, '../../dist/kernels-unsigned.wasm');
/** Crosses two chunks of 128 keys and many blocks of 16. */
const TOKENS = Array.from({ length: 300 }, (_, i) => (i * 7919) % 500);

const disposals: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const dispose of disposals) await dispose();
});

async function load(type: KvType, threads: number, dotClass?: DotClass): Promise<Executable> {
  const gguf = await readGguf(MODEL);
  const config = configFromGguf(gguf);
  const architecture = ARCHITECTURES[config.architecture];
  const backend = await createCpuBackend({ threads, dotClass });
  disposals.push(() => backend.dispose());
  const graph = architecture.build(
    config,
    handOver(backend, gguf, checkTensors(gguf, architecture.tensors(config))),
  );
  const { nLayers: layers, nKvHeads: kvHeads, headDim } = config;
  const kv = { layers, kvHeads, headDim, sequences: 3, contextLength: 400, type };
  return backend.compile({ name: 'bits', ...graph, kv, maxTokens: 400 });
}

async function last(executable: Executable, ...slices: Slice[]): Promise<Uint32Array> {
  const logits = await executable.submit({ slices, logits: 'last' }).logits();
  return new Uint32Array(logits.slice().buffer);
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

  it('are the same where dot products saturate', async () => {
    const saturating = await load(type, 2, 'saturating');
    expect(await inSteps(saturating, 300)).toEqual(expected);
    expect(await inSteps(saturating, 3)).toEqual(expected);
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

const MATMULS = CHECKED_CASES.filter(({ op }) => op === 'matmul');

describe('products where dot products saturate', async () => {
  const [usual, saturating] = await Promise.all([
    createCpuBackend({ threads: 2 }),
    createCpuBackend({ threads: 2, dotClass: 'saturating' }),
  ]);
  disposals.push(
    () => usual.dispose(),
    () => saturating.dispose(),
  );
  it.each(MATMULS.map((each) => [nameOf(each), each] as const))('%s', async (_, op) => {
    expect((await runCase(op, saturating)).rows).toEqual((await runCase(op, usual)).rows);
  });
});

/** One product of each type of weight, that with the longest rows. */
const PRODUCTS = new Map(
  MATMULS.filter(({ timing }) => !timing)
    .toSorted((a, b) => a.check.weights[1]!.desc.cols - b.check.weights[1]!.desc.cols)
    .map((product) => [product.type, product.check]),
);
/** Tokens of a step: one, a tile, part of one, and so many that weights are unpacked for them. */
const SIZES = [2, 3, 4, 5, 6, 7, 8, 9, 17, 33, 40];

describe.each<DotClass | undefined>([undefined, 'saturating'])(
  'a row of a product, class of CPU %s',
  async (dotClass) => {
    const backend = await createCpuBackend({ threads: 2, dotClass });
    disposals.push(() => backend.dispose());

    it.each([...PRODUCTS])('has the same bits in every step, %s', async (_, product) => {
      const ids = product.weights.map(({ desc, bytes }) => backend.weight(desc, { bytes }));
      const kv = { layers: 1, kvHeads: 1, headDim: 8, sequences: 1, contextLength: 40 };
      const executable = await backend.compile({ ...product.program(ids), kv, maxTokens: 40 });
      const tokens = Array.from({ length: 40 }, (_, id) => id);
      const alone: number[] = [];
      for (const id of tokens) alone.push(...(await last(executable, { seq: 0, pos: 0, tokens: [id] })));
      for (const size of SIZES) {
        const slices = [{ seq: 0, pos: 0, tokens: tokens.slice(0, size) }];
        const logits = await executable.submit({ slices, logits: 'all' }).logits();
        const bits = [...new Uint32Array(logits.slice().buffer)];
        expect(bits, `${size} tokens`).toEqual(alone.slice(0, (alone.length / tokens.length) * size));
      }
      executable.dispose();
    });
  },
);

it('multiplies with relaxed dot products and fused multiply-adds', () => {
  const module = readFileSync(KERNELS);
  const count = (opcode: number) => {
    let found = 0;
    // 0xfd, then the opcode as LEB128 (WebAssembly relaxed SIMD, opcodes 0x100-0x12f).
    for (let i = 0; i + 2 < module.length; i++) {
      if (module[i] === 0xfd && module[i + 1] === ((opcode & 0x7f) | 0x80) && module[i + 2] === opcode >> 7)
        found++;
    }
    return found;
  };
  expect(count(0x113)).toBeGreaterThan(100); // i32x4.relaxed_dot_i8x16_i7x16_add_s
  expect(count(0x105)).toBeGreaterThan(50); // f32x4.relaxed_madd
});
