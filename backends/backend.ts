/**
 * The contract between the engine and the backends.
 *
 * The engine describes a model as a program: a list of small mathematical ops, each of which makes one value from
 * earlier ones. A backend takes the weights, compiles the program (plans memory, picks kernels, fuses) and then runs
 * steps that carry numbers only. The engine sees no tensors, only the results that it wants.
 *
 * Shapes: T tokens of a step, S of them selected for output, C columns, D head size, V vocabulary. A value is
 * f32 [T, C] before `select` and [S, C] after it. ops.ts describes the operands and the output of every op.
 */

import type { TensorType } from '../kernels/quant-formats.ts';
import type { MapFunction } from '../kernels/reference/map.ts';
import type { Routing } from '../kernels/reference/route.ts';
import type { ZipFunction } from '../kernels/reference/zip.ts';
import type { SourceType } from '../kernels/source-formats.ts';

export type ValueId = number; // op i of a program makes value i; its operands are smaller
export type WeightId = number; // from Backend.weight
export type StateId = number; // place in Program.states

/** A matrix as the program reads it: `rows` rows of `cols` weights (a vector is one row). */
export interface WeightDesc {
  readonly name: string; // GGUF tensor name
  readonly type: TensorType;
  readonly rows: number; // N, outputs; of all experts together; 1 for a vector, which is not a matrix of one expert
  readonly cols: number; // K, inputs
  /** Matrices of equal size that lie one after the other, each picked by its number. Default: one. */
  readonly experts?: number;
}

/** Bytes in a file that any thread can open, or in memory. */
export type ByteRange = { readonly path: string; readonly offset: number } | { readonly bytes: Uint8Array };

/** The source of a weight: the stored matrix itself, or an expression. It is plain data, so threads can evaluate it. */
export type WeightSource = ByteRange | SourceMatrix;

/**
 * An expression over stored matrices, so a checkpoint loads in any layout. A stored matrix [rows, cols] has its rows
 * one after the other without gaps. In tensors of more dimensions, all but the last dimension count as rows.
 * weight-source.ts checks an expression, weight-rows.ts evaluates it.
 */
export type SourceMatrix =
  | {
      readonly op: 'range';
      readonly at: ByteRange;
      readonly type: SourceType;
      readonly rows: number;
      readonly cols: number;
    }
  /** The same weights in rows of another length, such as [heads * D, C] as [heads, D * C]. */
  | { readonly op: 'reshape'; readonly of: SourceMatrix; readonly rows: number; readonly cols: number }
  /** `count` rows or columns: first, first + every, first + 2 * every, ... `every` is 1 by default. */
  | {
      readonly op: 'slice';
      readonly of: SourceMatrix;
      readonly axis: 'rows' | 'cols';
      readonly first: number;
      readonly count: number;
      readonly every?: number;
    }
  /** The rows of all matrices, one matrix after the other: experts, or parts of a fused matrix. */
  | { readonly op: 'stack'; readonly of: readonly SourceMatrix[] }
  /** Each run of first * second rows, [first, second], as [second, first]: heads of halves as halves of heads. */
  | { readonly op: 'swap'; readonly of: SourceMatrix; readonly first: number; readonly second: number }
  /** [cols, rows]; only for types without blocks. */
  | { readonly op: 'transpose'; readonly of: SourceMatrix }
  /** fn(x), or fn(x, by), of each number, in float32. */
  | { readonly op: 'map'; readonly of: SourceMatrix; readonly fn: 'negate-exp' } // -exp(x)
  | {
      readonly op: 'map';
      readonly of: SourceMatrix;
      readonly fn: 'add' | 'multiply';
      readonly by: number | Spread;
    }
  /** The numbers rounded to another type (kernels/reference/quantize.ts). */
  | { readonly op: 'convert'; readonly of: SourceMatrix; readonly type: TensorType }
  /** MXFP4 from two tensors: codes U8 [rows, cols / 2] of pairs (k, k + 1), exponents U8 [rows, cols / 32]. */
  | { readonly op: 'mxfp4'; readonly codes: SourceMatrix; readonly scales: SourceMatrix };

/** A matrix in which each number applies to a block of `rows` times `cols`: scales of blocks, of rows, or of all. */
export interface Spread {
  readonly of: SourceMatrix;
  readonly rows: number;
  readonly cols: number;
}

/** Rotary embedding: pair i of a head is rotated by position * inverseFrequencies[i]. */
export interface RopeSpec {
  /** interleaved: pairs (2i, 2i+1); half: pairs (i, i + n) with n = inverseFrequencies.length. */
  readonly layout: 'interleaved' | 'half';
  readonly inverseFrequencies: readonly number[]; // radians a position, one a pair; later dimensions pass through
  readonly magnitude?: number; // factor of rotated numbers; default 1
  /** A further factor of them: 1 + by * ln(1 + floor(position / every)). */
  readonly growth?: { readonly every: number; readonly by: number };
}

export type Op =
  | { op: 'embed'; table: WeightId; by?: 'token' | 'position' } // row of the table for each token; default token
  | { op: 'norm'; x: ValueId; weight: WeightId; eps: number; heads?: number } // x / rms(x) * weight, head by head
  | { op: 'layer-norm'; x: ValueId; weight: WeightId; bias?: WeightId; eps: number } // (x - mean) / sd(x) * weight + bias
  | { op: 'matmul'; x: ValueId; weight: WeightId; bias?: WeightId } // x W^T + bias
  | RouteOp
  | ExpertMatmulOp
  | { op: 'mix'; x: ValueId; picks: ValueId } // the sum of the parts of x, times the weights of their experts
  | { op: 'rope'; x: ValueId; heads: number; rope: RopeSpec } // every head rotated by the token's position
  | AttentionOp
  | { op: 'conv'; x: ValueId; weight: WeightId; bias?: WeightId; state: StateId } // see below
  | ScanOp
  | { op: 'softmax'; x: ValueId } // of every row
  | { op: 'map'; x: ValueId; fn: MapFunction; scalars?: readonly WeightId[] } // fn of each number
  | { op: 'zip'; a: ValueId; b: ValueId; fn: ZipFunction } // fn of each pair of numbers
  | { op: 'concat'; a: ValueId; b: ValueId; heads: number } // each head of a, then that of b, head by head
  | { op: 'select'; x: ValueId }; // the rows of x that the step wants output for

/** Picks [.., 2 k]: the k experts of each row, then the weight of each (kernels/reference/route.ts). */
export interface RouteOp {
  op: 'route';
  x: ValueId; // [T, E], logits
  bias?: WeightId; // [E], of the scores, for picking alone
  scales?: WeightId; // [E], of the weights
  routing: Routing;
}

/**
 * The products with the picked experts' matrices, one part of the output each. `x` is one row that all of them read, or
 * has a part for each. Without picks each matrix has its part, in order: a product head by head. [T, k * N]
 */
export interface ExpertMatmulOp {
  op: 'expert-matmul';
  x: ValueId; // [T, K] or [T, k * K]
  weight: WeightId; // of `experts` matrices
  bias?: WeightId; // [experts * N]
  picks?: ValueId; // default: every matrix once
}

/**
 * Stores k and v of the step's tokens in a state, then attends causally over the sequence or its last `window`
 * positions. [T, heads * valueDim]
 *
 * Without causality, for encoders, a token attends to all tokens of its slice, which is a whole text from position 0 on,
 * or to those less than `window` positions away.
 */
export interface AttentionOp {
  op: 'attention';
  q: ValueId; // [T, heads * keyDim]
  k?: ValueId; // [T, kvHeads * keyDim]; without k and v it reads what an earlier op of the program stores
  v?: ValueId; // [T, kvHeads * valueDim]
  state: StateId; // of kind kv
  heads: number; // a multiple of kvHeads: query head h reads kv head floor(h * kvHeads / heads)
  scale: number; // of the scores, before softmax
  window?: number; // positions that a token attends to, its own included; default: all
  softcap?: number; // scaled scores s become softcap * tanh(s / softcap)
  sinks?: WeightId; // [heads]: a score of each head that takes part in the softmax, but has no value
  causal?: false;
}

/**
 * A linear recurrence over the tokens of a sequence. Each head keeps a matrix S [N, P], which decays, takes up the value u
 * under the key k, and is read by the query q:
 *
 *   S = exp(a dt) S + k u^T,  y = S^T q + skip v,  with S = 0 before the sequence begins
 *
 * ssm    u = beta v: the state space of Mamba-2 (Dao & Gu, Transformers are SSMs), with q = C, k = B and beta = dt
 * delta  u = beta (v - exp(a dt) S^T k): the gated delta rule (Yang et al., Gated Delta Networks)
 *
 * Its state is recurrent, and no other op uses it: heads * N * P floats. [T, heads * P]
 */
export interface ScanOp {
  op: 'scan';
  rule: 'ssm' | 'delta';
  q: ValueId; // [T, groups * N]
  k: ValueId; // [T, groups * N]
  v: ValueId; // [T, heads * P]
  dt: ValueId; // [T, heads], step sizes
  beta: ValueId; // [T, heads]
  a: WeightId; // [heads]
  skip?: WeightId; // [heads]; default 0
  groups: number; // of heads with the same q and k; a divisor of heads
  /** Head h reads group h modulo groups; default: floor(h * groups / heads). */
  cyclic?: boolean;
  state: StateId;
}

/**
 * State of a sequence for one layer: the data kept from its earlier tokens.
 *
 * `conv` is a causal convolution of each column by itself, with K weights a column, [C, K]:
 *   y[t][c] = bias[c] + sum over j of weight[c][j] * x[t - (K - 1) + j][c], with x = 0 before the sequence begins
 * Its state is recurrent, and no other op uses it: the last K - 1 rows of x, (K - 1) * C floats.
 */
export type StateShape = KvShape | RecurrentShape;

/**
 * Keys and values of every position. If every op that reads them has a window, a backend may keep what windows see, and then
 * goes back no further (rings.ts).
 */
export interface KvShape {
  readonly kind: 'kv';
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
}

/** States of which an executable keeps what windows see. */
export interface Ring {
  readonly window: number; // positions; the widest of its states
  readonly positions: number; // that are kept of a sequence
  readonly states: ReadonlySet<StateId>;
}

/**
 * One block of float32 for a sequence, replaced by every step. Its earlier contents are lost, so the sequence can only
 * continue or restart at position 0.
 */
export interface RecurrentShape {
  readonly kind: 'recurrent';
  readonly floats: number;
}

export type KvType = 'f32' | 'f16' | 'q8';

export interface Program {
  readonly name: string;
  readonly ops: readonly Op[];
  readonly output: ValueId; // logits [S, V]
  readonly states: readonly StateShape[];
  readonly limits: Limits;
}

/** Limits and options that a program is compiled for. */
export interface Limits {
  readonly sequences: number;
  readonly contextLength: number; // positions of a sequence
  /** Positions in a pool that all sequences share. Default: no pool, each sequence has its whole context. */
  readonly positions?: number;
  readonly maxTokens: number; // most tokens of a step
  readonly kvType?: KvType; // type of stored keys and values; default f32
  readonly attention?: boolean; // slices may want attention weights; default false, and no memory for them
  readonly taps?: readonly ValueId[]; // values with T rows that slices may want; kept until the end of the step
}

/**
 * Tokens of one sequence at positions pos, pos + 1, ... Positions below pos must be computed already; positions from
 * pos on are replaced. pos is one that `keeps` returns: in programs with recurrent states 0 or the length of the sequence.
 */
export interface Slice {
  readonly seq: number;
  readonly pos: number;
  readonly tokens: ArrayLike<number>;
  readonly want?: Want; // default: nothing
}

/** One pass of the program. Several slices are a batch; each sequence occurs at most once. */
export interface Step {
  readonly slices: readonly Slice[];
}

/**
 * The result that a slice wants.
 *
 * logits     of its last token, or of all; the backend may write them to the start of `into`, memory of the caller, and
 *            then allocates none
 * top        the `count` largest logits of its last token; `Executable.chooses` has the largest count
 * greedy     `count` ids: the id of the largest logit (the lowest id among equals) is fed back as the next token of the
 *            sequence, and so on. The last id is not fed back, so the step adds count - 1 positions to those of the
 *            slice. If one slice wants several ids, every slice of the step must want that number.
 * attention  the softmax weights of its token; only in a step of one token, and only if the executable `attends`
 * values     the values named in `Limits.taps`, of all its tokens
 */
export type Want =
  | { readonly kind: 'logits'; readonly rows?: 'last' | 'all'; readonly into?: Float32Array } // default last
  | { readonly kind: 'top'; readonly count: number }
  | { readonly kind: 'greedy'; readonly count: number }
  | { readonly kind: 'attention' }
  | { readonly kind: 'values' };

/** The result of a slice, of the kind that it wanted. It belongs to the caller: later steps do not change it. */
export type Result =
  | { readonly kind: 'none' }
  | { readonly kind: 'logits'; readonly logits: Float32Array } // [rows, V]
  | ({ readonly kind: 'top' } & TopLogits)
  | { readonly kind: 'greedy'; readonly ids: Int32Array } // [count]
  | { readonly kind: 'attention'; readonly weights: Float32Array } // [heads of all ops, pos + 1]; 0 outside a window
  | { readonly kind: 'values'; readonly values: readonly Float32Array[] }; // one for each tap, [tokens, cols]

/** The largest logits of a row, descending; the lowest id first among equals. A short row has fewer than `count`. */
export interface TopLogits {
  readonly ids: Int32Array; // [count]
  readonly logits: Float32Array; // [count]
  readonly logSumExp: number; // over the whole row
}

/** Rows of attention weights of a token. */
export interface AttentionShape {
  readonly heads: readonly number[]; // for each attention op of the program
}

export interface MemoryUse {
  readonly weights: number; // bytes, repacked
  readonly kv: number; // bytes reserved for the whole context
  readonly arena: number; // bytes of activations and scratch
}

/** Totals of one kernel so far, timed by the device's own clock. */
export interface KernelTime {
  readonly kernel: string;
  readonly dispatches: number;
  readonly seconds: number;
  readonly bytes: number; // read and written
  readonly macs: number; // multiply-adds
}

export interface Executable {
  readonly memory: MemoryUse;
  /** The largest counts that slices may want; absent if the device returns only whole rows of logits. */
  readonly chooses?: Readonly<Record<'top' | 'greedy', number>>;
  /** Reading logits from the device is cheap, so drafts may pay off even though the device could choose. */
  readonly nearLogits?: boolean;
  /** The states of which it keeps what windows see; absent if it keeps all positions. */
  readonly ring?: Ring;
  /** The attention weights that slices may want; absent if the program or the device does not provide them. */
  readonly attends?: AttentionShape;
  /**
   * Runs a step; settles with a result for each slice. Steps run one at a time: it throws while an earlier step has not
   * settled. Throws RangeError for mistakes of the caller. Rejects with a UserError of kind device if the device fails.
   */
  submit(step: Step): Promise<readonly Result[]>;
  /**
   * Makes positions 0..upto-1 of sequence `to` equal those of `from`. Between steps only. `upto` is one that `keeps`
   * returns: in programs with recurrent states 0 or the length of `from`.
   */
  kvCopy(from: number, to: number, upto: number): void;
  /**
   * Forgets positions from `upto` on and returns how many are left. These may be fewer than `upto`: a recurrent state
   * can only go back to position 0, a ring not far. The caller computes the missing positions again.
   */
  kvTrim(seq: number, upto: number): number;
  /** How many positions kvTrim would leave. */
  keeps(seq: number, upto: number): number;
  /** A copy of the states of a sequence at its first `upto` positions. Between steps only. */
  save?(seq: number, upto: number): Promise<Uint8Array>;
  /**
   * Restores a sequence saved by this executable or one of the same layout, and returns the number of its positions.
   * Between steps only. For other bytes it rejects with a UserError and leaves the sequence empty.
   */
  restore?(seq: number, saved: Uint8Array): Promise<number>;
  /** Free positions of the pool (`Limits.positions`); absent without a pool. */
  free?(): number;
  /** The name of the first buffer with a write outside its bytes. Only in backends started with sentinels. */
  damage?(): Promise<string | undefined>;
  /** By kernel, slowest first. Only in backends started with `profile` on a device with a clock. */
  kernelTimes?(): KernelTime[];
  dispose(): void;
}

/** Upper bounds of the hardware, all threads together. Speeds are compared with them. */
export interface Roofs {
  readonly readBytesPerSecond: number; // memory, beyond the caches
  readonly multiplyAddsPerSecond: number; // of 8-bit integers
}

/** The device of a backend, if it is not the processor. */
export interface DeviceInfo {
  readonly name: string; // from its driver
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string; // name and version; empty if unknown
  readonly software: boolean; // emulated on the processor: correct, but never the fastest backend
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly memory?: number; // bytes, if known
}

export interface Backend {
  readonly name: string;
  readonly threads: number; // compute threads of this process; 0 if a device computes
  readonly device?: DeviceInfo;
  /** Kernel class, SIMD width, ... in words, for `percept devices`. */
  readonly description: string;
  /** True, or the reason why not, in words. `types` are those of the op's weights (ops.ts), `state` is its state. */
  supports(op: Op, types: readonly TensorType[], state?: StateShape): true | string;
  /**
   * Adds a weight. The backend chooses its layout in memory, and reads its bytes by the end of `compile`. Throws
   * UserError for a source that does not make the described matrix.
   */
  weight(desc: WeightDesc, source: WeightSource): WeightId;
  /**
   * Drops a weight. Its id becomes invalid, and `compile` throws RangeError for it. Its memory is freed at once, or
   * when the last program compiled with it is disposed of.
   */
  forget(weight: WeightId): void;
  /** Source bytes of weights read so far; absent if the backend does not count them. */
  readBytes?(): number;
  /** Rejects with a UserError that names what is not supported or does not fit. */
  compile(program: Program): Promise<Executable>;
  /** Measures the machine. It takes part of a second, and memory of its own. */
  roofs?(): Promise<Roofs>;
  dispose(): Promise<void>;
}
