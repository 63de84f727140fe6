/**
 * Programs of one op each, to time the op through the contract that models use. The op is repeated until its weights
 * (for attention: its cache) exceed the processor's caches, as in a model, whose layers evict each other.
 */
import type { Backend, KvType, Op, Program, StateShape, ValueId } from '../../backends/backend.ts';
import { rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import type { RowOp, Timing } from './op-case.ts';

const BEYOND_CACHES = 96e6; // bytes
const MOST_MACS = 4e9; // of a program, so that it ends soon on a slow machine
const MOST_REPEATS = 256;
const MAX_TOKENS = 512;
export const FLOAT = 4; // bytes

/** Each product follows a norm, as in a model, so that no two read the same activations. */
export function repeatedMatmul(
  type: TensorType,
  { T, N, K }: { readonly T: number; readonly N: number; readonly K: number },
): Timing {
  const bytes = N * rowBytes(type, K);
  const repeats = repeatsFor(bytes, T * K * N);
  return {
    held: 0,
    repeats,
    program(backend) {
      const norm = ones(backend, K);
      const matrix = sharedBytes(bytes).fill(PLAIN_BYTE);
      const weights = Array.from({ length: repeats }, (_, i) =>
        backend.weight({ name: `matrix ${i}`, type, rows: N, cols: K }, { bytes: matrix }),
      );
      const repeat = (push: Push, i: number) => {
        const h = push({ op: 'norm', x: 0, weight: norm, eps: 1e-5 });
        return push({ op: 'matmul', x: h, weight: weights[i]! });
      };
      return program({ inputs: [K], repeats, repeat, T }, backend);
    },
  };
}

export function repeatedAttention(
  shape: { readonly heads: number; readonly kvHeads: number; readonly D: number; readonly layers: number },
  { type, T, held }: { type: KvType; T: number; held: number },
): Timing {
  const { heads, kvHeads, D, layers } = shape;
  const scale = 1 / Math.sqrt(D);
  const state: StateShape = { kind: 'kv', kvHeads, keyDim: D, valueDim: D };
  return {
    held,
    repeats: layers,
    program(backend) {
      const repeat = (push: Push, state: number) =>
        push({ op: 'attention', q: 0, k: 1, v: 2, state, heads, scale });
      const states = new Array<StateShape>(layers).fill(state);
      const kv = { states, contextLength: held + T, kvType: type };
      const inputs = [heads * D, kvHeads * D, kvHeads * D];
      return program({ inputs, repeats: layers, repeat, T, ...kv }, backend);
    },
  };
}

/** Each repeat picks `count` of 16 matrices of its own, so that the picked ones alone exceed the caches. */
export function repeatedExperts(
  type: TensorType,
  { T, N, K, count }: { readonly T: number; readonly N: number; readonly K: number; readonly count: number },
): Timing {
  const experts = 16;
  const bytes = N * rowBytes(type, K);
  const repeats = repeatsFor(count * bytes, T * count * K * N);
  return {
    held: 0,
    repeats,
    program(backend) {
      const norm = ones(backend, K);
      const matrices = sharedBytes(experts * bytes).fill(PLAIN_BYTE);
      const desc = { type, rows: experts * N, cols: K, experts };
      const weights = Array.from({ length: repeats }, (_, i) =>
        backend.weight({ name: `matrices ${i}`, ...desc }, { bytes: matrices }),
      );
      const routing = { count, by: 'softmax', normalized: true } as const;
      const repeat = (push: Push, i: number) => {
        const x = push({ op: 'norm', x: 0, weight: norm, eps: 1e-5 });
        return push({
          op: 'expert-matmul',
          x,
          picks: push({ op: 'route', x: 1, routing }),
          weight: weights[i]!,
        });
      };
      return program({ inputs: [K, experts], repeats, repeat, T }, backend);
    },
  };
}

/** Recurrences of as many layers, each with a state of its own. */
export function repeatedScan({ rule, heads, groups, N, P }: ScanSizes, T: number): Timing {
  const repeats = 16;
  return {
    held: 0,
    repeats,
    program(backend) {
      const a = ones(backend, heads, -0.1);
      const repeat = (push: Push, state: number) =>
        push({ op: 'scan', rule, q: 0, k: 1, v: 2, dt: 3, beta: 4, a, groups, state });
      const states = new Array<StateShape>(repeats).fill({ kind: 'recurrent', floats: heads * N * P });
      const inputs = [groups * N, groups * N, heads * P, heads, heads];
      return program({ inputs, repeats, repeat, T, states }, backend);
    },
  };
}

interface ScanSizes {
  readonly rule: 'ssm' | 'delta';
  readonly heads: number;
  readonly groups: number;
  readonly N: number; // of keys
  readonly P: number; // of values
}

/** The first input of each repeat is the result of the one before. */
export function repeatedInPlace({ inputs, weights = [], cols, apply }: RowOp, T: number): Timing {
  const repeats = 16;
  return {
    held: 0,
    repeats,
    program(backend) {
      const ids = weights.map(({ desc }) => ones(backend, desc.cols));
      const others = [...inputs.keys()].slice(1);
      const repeat = (push: Push, _: number, before: ValueId) => push(apply([before, ...others], ids));
      return program({ inputs: inputs.map(() => cols), repeats, repeat, T }, backend);
    },
  };
}

// ----- shared by the programs

type Push = (op: Op) => ValueId;

interface Body {
  readonly inputs: readonly number[]; // columns; filled with ones
  readonly repeats: number;
  /** Adds repeat i; `before` is the result of the one before, or the first input. */
  readonly repeat: (push: Push, i: number, before: ValueId) => ValueId;
  readonly T: number;
  readonly states?: readonly StateShape[];
  readonly contextLength?: number; // default T
  readonly kvType?: KvType;
}

/** A program with a vocabulary of one token, whose embeddings are ones. */
function program(body: Body, backend: Backend): Program {
  const { inputs, repeats, repeat, T, states = [], contextLength = T, kvType } = body;
  const ops: Op[] = inputs.map((cols) => ({ op: 'embed', table: ones(backend, cols) }));
  const push = (op: Op) => ops.push(op) - 1;
  let result = 0;
  for (let i = 0; i < repeats; i++) result = repeat(push, i, result);
  const output = push({ op: 'select', x: result });
  const limits = { sequences: 1, contextLength, maxTokens: MAX_TOKENS, kvType };
  return { name: 'one op', ops, output, states, limits };
}

/** 1.06 as float16, 0.01 as float32 and bfloat16, 2^-67 as a power of two: NaN in no type. */
const PLAIN_BYTE = 0x3c;

function ones(backend: Backend, cols: number, value = 1) {
  const bytes = sharedBytes(FLOAT * cols);
  new Float32Array(bytes.buffer).fill(value);
  return backend.weight({ name: 'ones', type: 'F32', rows: 1, cols }, { bytes });
}

/** Memory that threads are handed without a copy. */
function sharedBytes(bytes: number): Uint8Array<SharedArrayBuffer> {
  return new Uint8Array(new SharedArrayBuffer(bytes));
}

function repeatsFor(bytes: number, macs: number): number {
  const wanted = Math.min(Math.ceil(BEYOND_CACHES / bytes), Math.floor(MOST_MACS / macs), MOST_REPEATS);
  return Math.max(1, wanted);
}
