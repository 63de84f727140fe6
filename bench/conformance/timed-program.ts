/**
 * Programs of one op each, to time it through the contract that models use. An op is repeated until its weights
 * (for attention: its cache) are beyond the processor's caches, as in a model, whose layers push each other out.
 */
import type { Backend, BufferId, KvType, Op, Program } from '../../backends/backend.ts';
import { rowBytes, type TensorType } from '../../kernels/quant-formats.ts';
import type { Timing } from './op-case.ts';
import type { RowOp } from './rows.ts';

const BEYOND_CACHES = 96e6; // bytes
const MOST_MACS = 4e9; // of a program, so that it ends on a slow machine too
const MOST_REPEATS = 256;
const MAX_TOKENS = 512;
export const FLOAT = 4; // bytes

/** With a norm before it, as in a model, so that no two read the same activations. */
export function repeatedMatmul(
  type: TensorType,
  { T, N, K }: { readonly T: number; readonly N: number; readonly K: number },
): Timing {
  const bytes = N * rowBytes(type, K);
  const repeats = repeatsFor(bytes, T * K * N);
  const [x, h, y] = [0, 1, 2];
  return {
    held: 0,
    repeats,
    program(backend) {
      const norm = ones(backend, K);
      const matrix = sharedBytes(bytes).fill(PLAIN_BYTE);
      const ops = Array.from({ length: repeats }, (_, i): Op[] => {
        const weight = backend.weight({ name: `matrix ${i}`, type, rows: N, cols: K }, { bytes: matrix });
        return [
          { op: 'rms-norm', x, weight: norm, eps: 1e-5, out: h },
          { op: 'matmul', x: h, weight, out: y },
        ];
      });
      return program({ inputs: [x], columns: [K, K, N], ops: ops.flat(), out: y, T }, backend);
    },
  };
}

export function repeatedAttention(
  shape: { readonly heads: number; readonly kvHeads: number; readonly D: number; readonly layers: number },
  { type, T, held }: { type: KvType; T: number; held: number },
): Timing {
  const { heads, kvHeads, D, layers } = shape;
  const [q, k, v, out] = [0, 1, 2, 3];
  const columns = [heads * D, kvHeads * D, kvHeads * D, heads * D];
  const scale = 1 / Math.sqrt(D);
  const kv = { layers, kvHeads, headDim: D, sequences: 1, contextLength: held + T, type };
  return {
    held,
    repeats: layers,
    program(backend) {
      const ops = Array.from(
        { length: layers },
        (_, layer): Op => ({ op: 'attention', q, k, v, layer, heads, scale, out }),
      );
      return program({ inputs: [q, k, v], columns, ops, out, T, kv }, backend);
    },
  };
}

/** The first input is overwritten, again and again. */
export function repeatedInPlace({ inputs, weight, cols, apply }: RowOp, T: number): Timing {
  const repeats = 16;
  const buffers = [...inputs.keys()];
  return {
    held: 0,
    repeats,
    program(backend) {
      const weights = weight ? [ones(backend, cols)] : [];
      const ops = new Array<Op>(repeats).fill(apply(buffers, weights, 0));
      return program({ inputs: buffers, columns: inputs.map(() => cols), ops, out: 0, T }, backend);
    },
  };
}

// ----- what the programs share

interface Body {
  readonly inputs: readonly BufferId[]; // filled with ones
  readonly columns: readonly number[]; // of each buffer
  readonly ops: readonly Op[];
  readonly out: BufferId;
  readonly T: number;
  readonly kv?: Program['kv'];
}

/** A vocabulary of one token, whose embeddings are ones. */
function program({ inputs, columns, ops, out, T, kv }: Body, backend: Backend): Program {
  const embeds = inputs.map((input): Op => {
    return { op: 'embed', table: ones(backend, columns[input]!), out: input };
  });
  const logits = columns.length;
  return {
    name: 'one op',
    buffers: [...columns, columns[out]!],
    ops: [...embeds, ...ops, { op: 'select', x: out, out: logits }],
    logits,
    kv: kv ?? { layers: 1, kvHeads: 1, headDim: 64, sequences: 1, contextLength: T },
    maxTokens: MAX_TOKENS,
  };
}

/** As float16 1.06, as float32 and bfloat16 0.01, as a power of two 2^-67: no type makes a NaN of it. */
const PLAIN_BYTE = 0x3c;

function ones(backend: Backend, cols: number) {
  const bytes = sharedBytes(FLOAT * cols);
  new Float32Array(bytes.buffer).fill(1);
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
