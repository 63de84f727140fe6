/**
 * Programs of one op each, to time it through the contract that models use. An op is repeated until its weights
 * (for attention: its cache) are beyond the processor's caches, as in a model, whose layers push each other out.
 */
import type { Backend, BufferId, KvType, Op, Program } from '../backends/backend.ts';
import { QUANT_FORMATS, rowBytes, type TensorType } from '../kernels/quant-formats.ts';
import type { Work } from './work.ts';

export interface KernelCase {
  readonly op: Op['op'];
  readonly type: TensorType | null; // of the weight; null: it has none
  readonly shape: string;
  readonly tokens: number; // T of the timed step
  readonly held: number; // positions in the cache before it
  readonly repeats: number; // of the op in the program
  readonly work: Work; // of the op, once; attention reads the cache besides, whose size is the backend's matter
  /** Hands its weights to the backend and describes the program. */
  program(backend: Backend): Program;
}

const TOKENS = [1, 4, 512] as const;
const BEYOND_CACHES = 96e6; // bytes
const MOST_MACS = 4e9; // of a program, so that it ends on a slow machine too
const MOST_REPEATS = 256;
const FLOAT = 4; // bytes

/** [inputs, outputs]: a square of 7B models, then SmolLM2 135M's feed-forward there and back. */
const MATRICES = [
  [4096, 4096],
  [576, 1536],
  [1536, 576],
] as const;

/** Heads of SmolLM2 135M. */
const ATTENTION = { heads: 9, kvHeads: 3, headDim: 64, layers: 24, held: 2048 } as const;
const KV_TYPES: readonly KvType[] = ['f32', 'f16', 'q8'];

/** Cases of all ops and tensor types that the backend computes; attention over each type of cache. */
export function kernelCases(backend: Backend): KernelCase[] {
  const types = (Object.keys(QUANT_FORMATS) as TensorType[]).filter(
    (type) => backend.supports('matmul', type) === true,
  );
  const matmuls = types.flatMap((type) =>
    MATRICES.flatMap(([K, N]) => TOKENS.map((T) => matmul({ type, K, N, T }))),
  );
  return [
    ...matmuls.filter(({ work }) => !Number.isNaN(work.bytes)), // rows of whole blocks
    ...KV_TYPES.flatMap((type) => TOKENS.map((T) => attention(type, T))),
    ...ELEMENTWISE.flatMap((spec) => TOKENS.map((T) => elementwise(spec, T))),
  ];
}

/** The cases whose op, type or shape each of the words is part of, in any letter case. */
export function casesNamed(cases: readonly KernelCase[], words: readonly string[]): KernelCase[] {
  const nameOf = ({ op, type, shape }: KernelCase) => `${op} ${type ?? ''} ${shape}`.toLowerCase();
  return cases.filter((each) => words.every((word) => nameOf(each).includes(word.toLowerCase())));
}

// ----- one function an op

interface MatmulSize {
  readonly type: TensorType;
  readonly K: number; // inputs
  readonly N: number; // outputs
  readonly T: number;
}

/** With a norm before it, as in a model, so that no two read the same activations. */
function matmul(size: MatmulSize): KernelCase {
  const { type, K, N, T } = size;
  const bytes = N * rowBytes(type, K);
  const macs = T * K * N;
  const repeats = repeatsFor(bytes, macs);
  return {
    op: 'matmul',
    type,
    shape: `${K} -> ${N}`,
    tokens: T,
    held: 0,
    repeats,
    work: { bytes: bytes + FLOAT * T * (K + N), macs },
    program: (backend) => matmulProgram(backend, size, repeats),
  };
}

function matmulProgram(backend: Backend, { type, K, N, T }: MatmulSize, repeats: number): Program {
  const [x, h, y] = [0, 1, 2];
  const norm = ones(backend, K);
  const matrix = sharedBytes(N * rowBytes(type, K)).fill(PLAIN_BYTE);
  const ops = Array.from({ length: repeats }, (_, i): Op[] => {
    const weight = backend.weight({ name: `matrix ${i}`, type, rows: N, cols: K }, { bytes: matrix });
    return [
      { op: 'rms-norm', x, weight: norm, eps: 1e-5, out: h },
      { op: 'matmul', x: h, weight, out: y },
    ];
  });
  return program({ inputs: [x], columns: [K, K, N], ops: ops.flat(), out: y, T }, backend);
}

function attention(type: KvType, T: number): KernelCase {
  const { heads, kvHeads, headDim, layers } = ATTENTION;
  const held = T < 512 ? ATTENTION.held : 0;
  const attended = T * held + (T * (T + 1)) / 2;
  const [q, k, v, out] = [0, 1, 2, 3];
  const columns = [heads * headDim, kvHeads * headDim, kvHeads * headDim, heads * headDim];
  const scale = 1 / Math.sqrt(headDim);
  const ops = Array.from(
    { length: layers },
    (_, layer): Op => ({ op: 'attention', q, k, v, layer, heads, scale, out }),
  );
  const kv = { layers, kvHeads, headDim, sequences: 1, contextLength: held + T, type };
  return {
    op: 'attention',
    type: null,
    shape: `${heads}/${kvHeads} heads of ${headDim}, ${held} held as ${type}`,
    tokens: T,
    held,
    repeats: layers,
    work: { bytes: FLOAT * 2 * T * heads * headDim, macs: 2 * attended * heads * headDim },
    program: (backend) => program({ inputs: [q, k, v], columns, ops, out, T, kv }, backend),
  };
}

/** An op that works on each number of x by itself, or of a row by itself, and writes x again. */
interface Elementwise {
  readonly op: Op['op'];
  readonly reads: number; // buffers
  readonly make: (x: BufferId, y: BufferId, backend: Backend) => Op;
}

const COLUMNS = 4096;
const ROPE_HEADS = 32;
const ELEMENTWISE: readonly Elementwise[] = [
  {
    op: 'rms-norm',
    reads: 1,
    make: (x, _, backend) => ({ op: 'rms-norm', x, weight: ones(backend, COLUMNS), eps: 1e-5, out: x }),
  },
  { op: 'rope', reads: 1, make: (x) => ({ op: 'rope', x, heads: ROPE_HEADS, rope: ROPE, out: x }) },
  { op: 'silu', reads: 1, make: (x) => ({ op: 'silu', x, out: x }) },
  { op: 'mul', reads: 2, make: (x, y) => ({ op: 'mul', a: x, b: y, out: x }) },
  { op: 'add', reads: 2, make: (x, y) => ({ op: 'add', a: x, b: y, out: x }) },
];
const ROPE = {
  layout: 'half',
  inverseFrequencies: Array.from({ length: COLUMNS / ROPE_HEADS / 2 }, (_, i) => 10_000 ** (-i / 64)),
} as const;

function elementwise({ op, reads, make }: Elementwise, T: number): KernelCase {
  const [x, y] = [0, 1];
  const repeats = 16;
  return {
    op,
    type: null,
    shape: `${COLUMNS}`,
    tokens: T,
    held: 0,
    repeats,
    work: { bytes: FLOAT * T * COLUMNS * (reads + 1), macs: 0 },
    program: (backend) => {
      const ops = new Array<Op>(repeats).fill(make(x, y, backend));
      return program({ inputs: [x, y], columns: [COLUMNS, COLUMNS], ops, out: x, T }, backend);
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
    maxTokens: 512,
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
