/**
 * Weights through expressions, on every backend: a layer whose tensors lie in a file as checkpoints have them gives the
 * bits of the same weights given as bytes. And weights that are forgotten.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type {
  Backend,
  Op,
  Program,
  SourceMatrix,
  WeightDesc,
  WeightId,
  WeightSource,
} from '../../backends/backend.ts';
import type { CpuExecutable } from '../../backends/cpu/executable.ts';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { randomMatrix } from '../../bench/conformance/matrices.ts';
import { UserError } from '../../errors.ts';
import type { TensorType } from '../../kernels/quant-formats.ts';
import { quantize } from '../../kernels/reference/quantize.ts';
import { decode, type SourceType, sourceFormat } from '../../kernels/source-formats.ts';
import { seeded } from '../random.ts';
import { titled } from '../titled.ts';
import { withModels } from './backends.ts';
import { allRows, lastRows } from './steps.ts';

const folder = mkdtempSync(join(tmpdir(), 'percept-weight-sources-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [V, C, F] = [40, 64, 96];
const PATH = join(folder, 'checkpoint');

/** Tensors one after the other in a file. */
class Checkpoint {
  readonly #parts: Uint8Array[] = [];
  #end = 0;

  add(
    type: SourceType,
    rows: number,
    cols: number,
    bytes: Uint8Array,
  ): Extract<SourceMatrix, { op: 'range' }> {
    const at = { path: PATH, offset: this.#end };
    this.#parts.push(bytes);
    this.#end += bytes.length;
    return { op: 'range', at, type, rows, cols };
  }

  write(): void {
    writeFileSync(PATH, Buffer.concat(this.#parts));
  }
}

interface Given {
  readonly desc: WeightDesc;
  readonly bytes: Uint8Array; // the whole matrix, by plain arithmetic
  readonly source: SourceMatrix;
}

/** The weights of a layer, in the order its program reads them. */
function checkpoint(): Given[] {
  const file = new Checkpoint();
  const random = seeded(11);
  const matrix = (type: TensorType, rows: number, cols: number, size = 1) => {
    const { bytes } = randomMatrix(type, rows, cols, size);
    return { bytes, range: file.add(type, rows, cols, bytes) };
  };
  const bytesOf = (rows: number, cols: number, below: number) => {
    const bytes = Uint8Array.from({ length: rows * cols }, () => random(below));
    return { bytes, add: (type: SourceType) => file.add(type, rows, cols, bytes) };
  };
  const given: Given[] = [];
  const give = (name: string, type: TensorType, rows: number, bytes: Uint8Array, source: SourceMatrix) => {
    const { elements, bytes: size } = sourceFormat(type);
    const cols = (bytes.length / rows / size) * elements;
    given.push({ desc: { name, type, rows, cols }, bytes, source });
  };

  const tables = [matrix('F16', 16, C), matrix('F16', V - 16, C, 0.9)];
  const stacked = { op: 'stack', of: tables.map(({ range }) => range) } as const;
  give('table', 'F16', V, Buffer.concat(tables.map(({ bytes }) => bytes)), stacked);

  const norm = matrix('BF16', 1, C, 0.2);
  const added = floats('BF16', norm.bytes).map((x) => Math.fround(x + 1));
  give('norm', 'F32', 1, inType('F32', added), { op: 'map', of: norm.range, fn: 'add', by: 1 });

  const qkv = matrix('Q8_0', 3 * C, C);
  for (const [i, name] of ['q', 'k', 'v'].entries()) {
    const part = qkv.bytes.slice((i * qkv.bytes.length) / 3, ((i + 1) * qkv.bytes.length) / 3);
    give(name, 'Q8_0', C, part, { op: 'slice', of: qkv.range, axis: 'rows', first: i * C, count: C });
  }

  const out = matrix('F32', C, C);
  give('out', 'F32', C, inType('F32', turned(floats('F32', out.bytes), C)), {
    op: 'transpose',
    of: out.range,
  });

  const gateUp = matrix('BF16', 2 * F, C);
  for (const [first, name] of ['gate', 'up'].entries()) {
    const rows = Array.from({ length: F }, (_, r) =>
      gateUp.bytes.subarray((2 * r + first) * 2 * C, (2 * r + first + 1) * 2 * C),
    );
    const slice = { op: 'slice', of: gateUp.range, axis: 'rows', first, count: F, every: 2 } as const;
    give(name, 'BF16', F, Uint8Array.from(Buffer.concat(rows)), slice);
  }

  const [codes, scales] = [bytesOf(C, F, 64), matrix('F32', 4, 3)];
  const [x, s] = [decode('F8_E4M3', codes.bytes), floats('F32', scales.bytes)];
  const scaled = x.map((value, i) => value * s[((i / F / 16) | 0) * 3 + (((i % F) / 32) | 0)]!);
  const by = { of: scales.range, rows: 16, cols: 32 };
  const product = { op: 'map', of: codes.add('F8_E4M3'), fn: 'multiply', by } as const;
  give('down', 'Q4_0', C, inType('Q4_0', scaled), { op: 'convert', of: product, type: 'Q4_0' });

  const [pairs, exponents] = [bytesOf(V, C / 2, 256), bytesOf(V, C / 32, 3)];
  exponents.bytes.forEach((byte, i) => {
    exponents.bytes[i] = 122 + byte;
  });
  const head = { op: 'mxfp4', codes: pairs.add('U8'), scales: exponents.add('U8') } as const;
  give('head', 'MXFP4', V, blocks(pairs.bytes, exponents.bytes), head);
  file.write();
  return given;
}

function floats(type: SourceType, bytes: Uint8Array): Float32Array {
  return decode(type, Uint8Array.from(bytes));
}

function inType(type: TensorType, values: Float32Array): Uint8Array {
  const { elements, bytes } = sourceFormat(type);
  const out = new Uint8Array((values.length / elements) * bytes);
  quantize(type, values, out);
  return out;
}

/** A square matrix transposed. */
function turned(values: Float32Array, size: number): Float32Array {
  return values.map((_, i) => values[(i % size) * size + Math.floor(i / size)]!);
}

/** ggml's blocks of MXFP4. */
function blocks(pairs: Uint8Array, exponents: Uint8Array): Uint8Array {
  const codes = [...pairs].flatMap((byte) => [byte & 15, byte >> 4]);
  return Uint8Array.from(
    [...exponents].flatMap((exponent, i) => {
      const own = codes.slice(32 * i, 32 * i + 32);
      return [exponent, ...own.slice(0, 16).map((code, k) => code | (own[k + 16]! << 4))];
    }),
  );
}

const GIVEN = checkpoint();

function program([table, norm, q, k, v, out, gate, up, down, head]: readonly WeightId[]): Program {
  const ops: Op[] = [
    { op: 'embed', table: table! },
    { op: 'norm', x: 0, weight: norm!, eps: 1e-5 },
    { op: 'matmul', x: 1, weight: q! },
    { op: 'matmul', x: 1, weight: k! },
    { op: 'matmul', x: 1, weight: v! },
    { op: 'attention', q: 2, k: 3, v: 4, state: 0, heads: 2, scale: 0.1 },
    { op: 'matmul', x: 5, weight: out! },
    { op: 'zip', a: 0, b: 6, fn: 'add' },
    { op: 'matmul', x: 7, weight: gate! },
    { op: 'matmul', x: 7, weight: up! },
    { op: 'map', x: 8, fn: 'silu' },
    { op: 'zip', a: 10, b: 9, fn: 'mul' },
    { op: 'matmul', x: 11, weight: down! },
    { op: 'zip', a: 7, b: 12, fn: 'add' },
    { op: 'select', x: 13 },
    { op: 'matmul', x: 14, weight: head! },
  ];
  const states = [{ kind: 'kv', kvHeads: 2, keyDim: C / 2, valueDim: C / 2 }] as const;
  return {
    name: 'a layer',
    ops,
    output: 15,
    states,
    limits: { sequences: 1, contextLength: 20, maxTokens: 9 },
  };
}

const giveAll = (backend: Backend, source: (given: Given) => WeightSource) =>
  GIVEN.map((given) => backend.weight(given.desc, source(given)));

async function logitsOf(executable: Awaited<ReturnType<Backend['compile']>>): Promise<number[]> {
  const first = { seq: 0, pos: 0, tokens: [1, 17, 39, 3, 20, 0, 8] };
  const rows = [...(await allRows(executable, first))];
  const next = { seq: 0, pos: 7, tokens: [5] };
  return [...rows, ...(await lastRows(executable, next))];
}

for (const { name, absent, start } of withModels()) {
  describe.skipIf(absent)(titled(name, absent), () => {
    it('gives the bits of weights given as bytes to those given as expressions', async () => {
      const backend = await start();
      const logits: number[][] = [];
      for (const source of [({ bytes }: Given) => ({ bytes }), ({ source }: Given) => source]) {
        const executable = await backend.compile(program(giveAll(backend, source)));
        logits.push(await logitsOf(executable));
        executable.dispose();
      }
      expect(logits[0]).toHaveLength(8 * V);
      expect(new Set(logits[0]).size).toBeGreaterThan(7 * V); // it is no NaN, and depends on the token
      expect(logits[1]).toEqual(logits[0]);
      await backend.dispose();
    });

    it('tells what is wrong with a source by the name of its weight', async () => {
      const backend = await start();
      const { desc, source } = GIVEN[2]!;
      const wide = {
        op: 'transpose',
        of: { op: 'range', at: { path: PATH, offset: 0 }, type: 'F32', rows: 2, cols: 3 },
      } as const;
      expect(() => backend.weight(desc, wide)).toThrow('Expected Q8_0 [64, 64] for q, got F32 [3, 2].');
      const beyond = { op: 'slice', of: source, axis: 'rows', first: 1, count: C } as const;
      expect(() => backend.weight(desc, beyond)).toThrow(UserError);
      const ids = giveAll(backend, ({ source }) => source);
      const end = { path: PATH, offset: 1e6 };
      ids[2] = backend.weight(desc, {
        op: 'slice',
        of: { op: 'range', at: end, type: 'Q8_0', rows: 3 * C, cols: C },
        axis: 'rows',
        first: 0,
        count: C,
      });
      const compiling = backend.compile(program(ids));
      await expect(compiling).rejects.toThrow('the file ended inside q');
      await expect(compiling).rejects.toBeInstanceOf(UserError);
      await backend.dispose();
    });

    it('forgets weights: at once for programs to come, and for those that run when they end', async () => {
      const backend = await start();
      const ids = giveAll(backend, ({ source }) => source);
      const executable = await backend.compile(program(ids));
      const expected = await logitsOf(executable);
      for (const id of ids) backend.forget(id);
      await expect(backend.compile(program(ids))).rejects.toThrow(RangeError);
      expect(() => backend.forget(ids[0]!)).toThrow(RangeError);
      expect(() => backend.forget(999)).toThrow(RangeError);
      const others = giveAll(backend, ({ bytes }) => ({ bytes }));
      expect(new Set([...ids, ...others]).size).toBe(2 * ids.length);
      const second = await backend.compile(program(others));
      expect(await logitsOf(second)).toEqual(expected);
      expect(await logitsOf(executable)).toEqual(expected);
      executable.dispose();
      executable.dispose();
      expect(await logitsOf(second)).toEqual(expected);
      await expect(backend.compile(program(ids))).rejects.toThrow(RangeError);
      await backend.dispose();
    });

    it('reads each weight once for programs compiled at the same time', async () => {
      const backend = await start();
      const ids = giveAll(backend, ({ source }) => source);
      const [first, second] = await Promise.all([1, 2].map(() => backend.compile(program(ids))));
      const bytes = GIVEN.reduce((sum, given) => sum + given.bytes.length, 0);
      if (backend.readBytes) expect(backend.readBytes()).toBe(bytes);
      expect(await logitsOf(second!)).toEqual(await logitsOf(first!));
      await backend.dispose();
    });

    it('takes no more memory for models that come and go', async () => {
      const backend = await start();
      const uses: unknown[] = [];
      let before: (() => void) | undefined;
      for (let i = 0; i < 20; i++) {
        const ids = giveAll(backend, ({ source }) => source);
        const executable = await backend.compile(program(ids));
        before?.();
        before = () => {
          for (const id of ids.slice(0, 4)) backend.forget(id);
          executable.dispose();
          for (const id of ids.slice(4)) backend.forget(id);
        };
        uses.push(executable.memory);
      }
      expect(uses.slice(1)).toEqual(Array(19).fill(uses[1])); // from the second on there are two
      await backend.dispose();
    });
  });
}

describe('cpu', () => {
  /** All that a program takes, its weights and the rest. */
  const bytesOf = ({ memory: { weights, kv, arena } }: CpuExecutable) => weights + kv + arena;

  it('gives later weights and programs the addresses of earlier ones, in any order', async () => {
    const probe = await createCpuBackend({ threads: 2 });
    const one = bytesOf(
      (await probe.compile(program(giveAll(probe, ({ bytes }) => ({ bytes }))))) as CpuExecutable,
    );
    await probe.dispose();
    const memoryLimit = 65_536 * Math.ceil((2.5 * one + 8192) / 65_536); // two and a half at once
    const backend = await createCpuBackend({ threads: 2, memoryLimit, sentinels: false });
    const alive: (() => void)[] = [];
    let expected: number[] | undefined;
    for (let i = 0; i < 20; i++) {
      const ids = giveAll(backend, ({ source }) => source);
      const executable = (await backend.compile(program(ids))) as CpuExecutable;
      expect(executable.stages).toEqual([0]);
      const logits = await logitsOf(executable);
      expected ??= logits;
      expect(logits).toEqual(expected);
      alive.push(() => {
        if (i % 3 > 0) executable.dispose();
        for (const id of i % 2 ? ids : ids.toReversed()) backend.forget(id);
        executable.dispose();
      });
      if (alive.length > 1) alive.splice(i % 5 === 0 ? 1 : 0, 1)[0]!();
    }
    await backend.dispose();
  });

  it('computes the same where an earlier weight left its bytes in what fills a group up', async () => {
    const run = async (backend: Backend) => {
      const table = randomMatrix('F32', 7, 31);
      const odd = randomMatrix('F16', 21, 31);
      const ids = [table, odd].map(({ desc, bytes }) => backend.weight(desc, { bytes }));
      const ops: Op[] = [
        { op: 'embed', table: ids[0]! },
        { op: 'matmul', x: 0, weight: ids[1]! },
      ];
      const limits = { sequences: 1, contextLength: 8, maxTokens: 8 };
      const executable = await backend.compile({ name: 'odd', ops, output: 1, states: [], limits });
      const slices = [{ seq: 0, pos: 0, tokens: [1, 2, 3, 4, 5, 6] }];
      return [...(await allRows(executable, ...slices))];
    };
    const [fresh, used] = [await createCpuBackend({ threads: 1 }), await createCpuBackend({ threads: 1 })];
    const bytes = new Uint8Array(4 * 64 * 64).fill(0x7f); // huge, and no numbers where two bytes are one
    const huge = used.weight({ name: 'huge', type: 'F32', rows: 64, cols: 64 }, { bytes });
    const limits = { sequences: 1, contextLength: 8, maxTokens: 8 };
    const ops: Op[] = [{ op: 'embed', table: huge }];
    (await used.compile({ name: 'huge', ops, output: 0, states: [], limits })).dispose();
    used.forget(huge);
    expect(await run(used)).toEqual(await run(fresh));
    await used.dispose();
    await fresh.dispose();
  });
});
