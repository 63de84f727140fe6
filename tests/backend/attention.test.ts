/**
 * Attention weights as slices want them, on every backend, against the reference kernels: the tokens of a sequence are
 * all that is expected from, so no cache is involved in it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  Backend,
  Executable,
  KvType,
  Op,
  Program,
  RopeSpec,
  Slice,
  ValueId,
} from '../../backends/backend.ts';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { inputsOf } from '../../bench/conformance/attention.ts';
import type { Matrix } from '../../bench/conformance/matrices.ts';
import { attentionWeights } from '../../kernels/reference/attention.ts';
import { embed } from '../../kernels/reference/embed.ts';
import { rope } from '../../kernels/reference/rope.ts';
import { OTHER_CPUS } from '../emulated-kernels.ts';
import { distance } from '../model/logits.ts';
import { titled } from '../titled.ts';
import { BACKENDS, type BackendUnderTest, shareOf, withModels } from './backends.ts';
import { attended, lastRows } from './steps.ts';

interface Case {
  readonly name: string;
  readonly heads: number;
  readonly kvHeads: number;
  readonly D: number; // head size
  readonly type: KvType;
  readonly rope?: RopeSpec; // of the first op
  readonly window?: number; // of the second
  readonly tolerance: number; // of a weight
}

/** Scores in float32, their exponential, and a sum of hundreds; 2.1e-7 seen. */
const FLOAT = 1e-6;
/** Exponentials over an 8-bit cache are off by at most 7.5e-5 of themselves (cpu/wasm-module.ts); 3.6e-5 seen. */
const POWER = 1e-4;
/** Up to 530 weights rounded to float32, and exponentials that differ from those summed by a few units in the last place. */
const SUM = 1e-5;

const HALF: RopeSpec = { layout: 'half', inverseFrequencies: [1, 0.3, 0.1, 0.03, 0.01, 0.003] };

/** Groups of one, of part of a tile of four rows, and of more than one tile; the cache holds the keys exactly. */
const CASES: readonly Case[] = [
  { name: 'rotated heads', heads: 6, kvHeads: 2, D: 16, type: 'f32', rope: HALF, tolerance: FLOAT },
  { name: 'heads of an odd size', heads: 3, kvHeads: 3, D: 7, type: 'f32', tolerance: FLOAT },
  { name: 'f16 and a window', heads: 5, kvHeads: 1, D: 20, type: 'f16', window: 100, tolerance: FLOAT },
  { name: 'a cache in q8', heads: 6, kvHeads: 2, D: 64, type: 'q8', tolerance: POWER },
  { name: 'q8 and a window', heads: 7, kvHeads: 1, D: 24, type: 'q8', window: 129, tolerance: POWER },
];

const VOCABULARY = 40;
const CONTEXT = 530;
/** Positions around the edges of chunks of 128 keys. */
const POSITIONS = [0, 1, 127, 128, 300, 512, 529];
/** For backends that take seconds for longer ones, and handle all keys alike. */
const SHORT = POSITIONS.slice(0, 4);
const TOKENS = Array.from({ length: CONTEXT }, (_, i) => (i * 7919 + (i >> 3)) % VOCABULARY);
const SCALES = [0.12, 0.3]; // of the two ops

/** Two attentions over the same embeddings; states and ops differ in order; op 0 rotates its heads if `rope` is given. */
function programOf(one: Case, backend: Backend, attention?: boolean): Program {
  const { heads, kvHeads, D, type, rope, window } = one;
  const [q, k, v] = inputsOf(one, type).map(({ desc, bytes }) => backend.weight(desc, { bytes }));
  const ops: Op[] = [q, k, v].map((table) => ({ op: 'embed', table: table! }));
  const push = (op: Op) => ops.push(op) - 1;
  const rotated = (x: ValueId, heads: number) => (rope ? push({ op: 'rope', x, heads, rope }) : x);
  const [scale, other] = SCALES as [number, number];
  const [rq, rk] = [rotated(0, heads), rotated(1, kvHeads)];
  const first = push({ op: 'attention', q: rq, k: rk, v: 2, state: 1, heads, scale });
  const second = push({ op: 'attention', q: 0, k: 1, v: 2, state: 0, heads, scale: other, window });
  const output = push({ op: 'select', x: push({ op: 'zip', fn: 'add', a: first, b: second }) });
  const state = { kind: 'kv', kvHeads, keyDim: D, valueDim: D } as const;
  const limits = { sequences: 2, contextLength: CONTEXT, maxTokens: 200, kvType: type, attention };
  return { name: 'two attentions', ops, output, states: [state, state], limits };
}

/** [2 ops, heads, tokens.length] */
function expectedOf(one: Case, tokens: readonly number[]): number[] {
  const { heads, kvHeads } = one;
  const [q, k] = inputsOf(one, one.type) as [Matrix, Matrix];
  const last = tokens.length - 1;
  const query = embed(q.values, q.desc.cols, tokens[last]!);
  const keys = tokens.map((token) => embed(k.values, k.desc.cols, token));
  const plain = attentionWeights(query, keys, { heads, scale: SCALES[1]!, window: one.window });
  const rotate = (x: Float64Array, count: number, position: number) =>
    one.rope ? rope(x, count, position, one.rope) : x;
  const rotated = attentionWeights(
    rotate(query, heads, last),
    keys.map((key, position) => rotate(key, kvHeads, position)),
    { heads, scale: SCALES[0]! },
  );
  return [...rotated, ...plain].flatMap((row) => [...row]);
}

const expectations = new Map<string, number[]>(); // by case and position: computed once each
function expectedAt(one: Case, position: number): number[] {
  const key = `${one.name} ${position}`;
  const expected = expectations.get(key) ?? expectedOf(one, TOKENS.slice(0, position + 1));
  expectations.set(key, expected);
  return expected;
}

const token = (seq: number, pos: number): Slice => ({ seq, pos, tokens: [TOKENS[pos]!] });
const asking = (seq: number): Slice => ({ ...token(seq, 0), want: { kind: 'attention' } });

/** Weights at each of `positions`; the tokens between are computed in larger steps. */
async function weightsOf(executable: Executable, positions = POSITIONS): Promise<Float32Array[]> {
  const seq = 1;
  const found: Float32Array[] = [];
  let held = 0;
  for (const position of positions) {
    for (; held < position; held = Math.min(position, held + 200)) {
      const tokens = TOKENS.slice(held, Math.min(position, held + 200));
      await executable.submit({ slices: [{ seq, pos: held, tokens }] });
    }
    found.push(await attended(executable, token(seq, position)));
    held++;
  }
  return found;
}

const bits = (parts: readonly Float32Array[]) => parts.map((part) => [...new Uint32Array(part.buffer)]);

for (const under of BACKENDS) {
  describe.skipIf(under.absent)(titled(under.name, under.absent), () => {
    const backends: Backend[] = [];
    const start = async (options?: Parameters<BackendUnderTest['start']>[0]) => {
      const backend = await under.start(options);
      backends.push(backend);
      return backend;
    };
    afterAll(async () => {
      for (const backend of backends) await backend.dispose();
    });

    it.each(shareOf(under, CASES, ({ name }) => name).map((one) => [one.name, one] as const))(
      'gives the weights of %s',
      async (_, one) => {
        const [first, ...more] = under.threads;
        const backend = await start({ threads: first, sentinels: true });
        const executable = await backend.compile(programOf(one, backend, true));
        expect(executable.attends).toEqual({ heads: [one.heads, one.heads] });
        const positions = under.kind === 'cpu' || under.kind === 'webgpu' ? POSITIONS : SHORT;
        const found = await weightsOf(executable, positions);
        for (const [i, position] of positions.entries()) {
          expect(distance(found[i]!, expectedAt(one, position)), `position ${position}`).toBeLessThan(
            one.tolerance,
          );
          for (let row = 0; row < 2 * one.heads; row++) {
            const sum = found[i]!.subarray(row * (position + 1), (row + 1) * (position + 1)).reduce(
              (a, b) => a + b,
              0,
            );
            expect(Math.abs(sum - 1)).toBeLessThan(SUM);
          }
          const outside = expectedAt(one, position).flatMap((weight, j) =>
            weight === 0 ? [found[i]![j]] : [],
          );
          expect(new Set([0, ...outside])).toEqual(new Set([0]));
        }
        expect(await executable.damage?.()).toBeUndefined();
        for (const threads of more) {
          const other = await start({ threads });
          expect(bits(await weightsOf(await other.compile(programOf(one, other, true))))).toEqual(
            bits(found),
          );
        }
      },
    );

    describe('a slice that wants attention', () => {
      let executable: Executable;
      let backend: Backend;
      const one = CASES[0]!;
      beforeAll(async () => {
        backend = await start();
        executable = await backend.compile(programOf(one, backend, true));
      });

      it('leaves the cache that one leaves without', async () => {
        for (const pos of [0, 1, 2, 3]) {
          await attended(executable, token(0, pos));
          await lastRows(executable, token(1, pos));
        }
        const rows = [await lastRows(executable, token(0, 4)), await lastRows(executable, token(1, 4))];
        expect(rows[0]).toEqual(rows[1]);
        expect(rows[0]).toHaveLength(one.heads * one.D);
      });

      it('gets a copy', async () => {
        await attended(executable, token(0, 0));
        const weights = await attended(executable, token(0, 1));
        await attended(executable, token(0, 2));
        expect(distance(weights, expectedAt(one, 1))).toBeLessThan(one.tolerance);
      });

      it.each<[string, Slice[]]>([
        ['two tokens', [{ seq: 0, pos: 0, tokens: [1, 2], want: { kind: 'attention' } }]],
        ['another one', [asking(0), asking(1)]],
        ['one that wants nothing', [asking(0), token(1, 0)]],
        ['one that wants logits', [{ ...token(1, 0), want: { kind: 'logits' } }, asking(0)]],
      ])('is rejected with %s', async (_, slices) => {
        const message = 'Expected tokens of a step that wants attention to be 1, got 2.';
        expect(() => executable.submit({ slices })).toThrow(RangeError);
        expect(() => executable.submit({ slices })).toThrow(message);
        expect(await attended(executable, token(0, 0))).toHaveLength(2 * one.heads); // nothing is changed
      });

      it('is rejected by a program that is not compiled for it', async () => {
        const plain = await backend.compile(programOf(one, backend));
        expect(plain.attends).toBeUndefined();
        if (under.kind === 'cpu' || under.kind === 'webgpu') {
          const weights = 4 * 2 * one.heads * CONTEXT; // bytes
          expect(executable.memory.arena - plain.memory.arena).toBeGreaterThanOrEqual(weights);
        }
        expect(() => attended(plain, token(0, 0))).toThrow('not compiled for attention weights');
        plain.dispose();
      });
    });
  });
}

describe('the weights on the CPU', () => {
  it.each(['a cache in q8', 'rotated heads'])('are the same on every class of CPU, %s', async (name) => {
    const one = CASES.find((each) => each.name === name)!;
    const [usual, ...others] = await Promise.all(
      [{}, ...OTHER_CPUS].map(async (kernels) => {
        const backend = await createCpuBackend({ threads: 2, ...kernels });
        const found = await weightsOf(await backend.compile(programOf(one, backend, true)));
        await backend.dispose();
        return bits(found);
      }),
    );
    expect(others).toEqual(others.map(() => usual));
  });
});

/** Layers of 6 and 2 heads of different sizes: their weights follow each other, one row a head. */
it.each(
  withModels()
    .filter(({ absent }) => !absent)
    .map((under) => [under.name, under] as const),
)('layers that differ in heads give the weights of each: %s', async (_, under) => {
  const backend = await under.start();
  const shapes = [
    { heads: 6, kvHeads: 2, D: 16 },
    { heads: 2, kvHeads: 1, D: 8 },
  ];
  const tables = shapes.map((shape) => inputsOf(shape, 'f32'));
  const ops: Op[] = [];
  const attentions = tables.map((matrices, state) => {
    const [q, k, v] = matrices.map(({ desc, bytes }) => {
      return ops.push({ op: 'embed', table: backend.weight(desc, { bytes }) }) - 1;
    });
    const { heads } = shapes[state]!;
    return ops.push({ op: 'attention', q: q!, k: k!, v: v!, state, heads, scale: 0.2 }) - 1;
  });
  const output = ops.push({ op: 'select', x: attentions.at(-1)! }) - 1;
  const states = shapes.map(({ kvHeads, D }) => ({ kind: 'kv', kvHeads, keyDim: D, valueDim: D }) as const);
  const limits = { sequences: 1, contextLength: 20, maxTokens: 8, attention: true };
  const executable = await backend.compile({ name: 'layers that differ', ops, output, states, limits });
  expect(executable.attends).toEqual({ heads: [6, 2] });
  await executable.submit({ slices: [{ seq: 0, pos: 0, tokens: TOKENS.slice(0, 8) }] });
  const found = await attended(executable, token(0, 8));
  const expected = tables.flatMap(([q, k], i) => {
    const rows = (matrix: typeof q, token: number) => embed(matrix!.values, matrix!.desc.cols, token);
    const keys = TOKENS.slice(0, 9).map((token) => rows(k, token));
    return attentionWeights(rows(q, TOKENS[8]!), keys, { heads: shapes[i]!.heads, scale: 0.2 }).flatMap(
      (row) => [...row],
    );
  });
  expect(distance(found, expected)).toBeLessThan(FLOAT);
  await backend.dispose();
});

/** Infinity spreads as NaN to whatever reads it, with a weight of zero too. Weights are finite, so a sum makes it. */
describe.each(
  withModels()
    .filter(({ absent }) => !absent)
    .map((under) => [under.name, under] as const),
)('keys and values far in front of a window, on %s', (_, { start, threads }) => {
  it.each<KvType>(['f32', 'q8'])('are not read, held as %s', async (type) => {
    const backend = await start({ threads: threads.at(-1) });
    const shape = { heads: 2, kvHeads: 1, D: 16 };
    const [q, k, v] = inputsOf(shape, type).map(({ desc, bytes, values }) => {
      const spoiled = Float32Array.from(values).fill(3e38, 0, desc.cols); // token 0
      const source = desc.type === 'F32' ? new Uint8Array(spoiled.buffer) : bytes;
      return backend.weight(desc, { bytes: source });
    });
    const ops: Op[] = [q, k, v].map((table) => ({ op: 'embed', table: table! }));
    ops.push({ op: 'zip', fn: 'add', a: 1, b: 1 }, { op: 'zip', fn: 'add', a: 2, b: 2 });
    ops.push({ op: 'attention', q: 0, k: 3, v: 4, state: 0, heads: 2, scale: 0.1, window: 5 });
    ops.push({ op: 'select', x: 5 });
    const limits = { sequences: 2, contextLength: 310, maxTokens: 300, kvType: type };
    const states = [{ kind: 'kv', kvHeads: 1, keyDim: 16, valueDim: 16 } as const];
    const executable = await backend.compile({ name: 'a window', ops, output: 6, states, limits });
    const tokens = Array.from({ length: 310 }, (_, i) => 1 + ((7 * i) % 39));
    const found: Float32Array[] = [];
    for (const [seq, first] of [tokens, [0, 0, 0, ...tokens.slice(3)]].entries()) {
      await executable.submit({ slices: [{ seq, pos: 0, tokens: first.slice(0, 300) }] });
      found.push(await lastRows(executable, { seq, pos: 300, tokens: first.slice(300, 301) }));
      found.push(await lastRows(executable, { seq, pos: 301, tokens: first.slice(301) }));
    }
    expect(found[2]).toEqual(found[0]);
    expect(found[3]).toEqual(found[1]);
    await backend.dispose();
  });
});
