/**
 * The contract between the engine and whatever computes.
 *
 * The engine describes a model as a program: a list of small mathematical ops, each of which makes one value from
 * earlier ones. A backend takes the weights, compiles the program (plans memory, picks kernels, fuses) and then runs
 * steps that carry numbers only. The engine sees no tensor but the logits it asks for.
 *
 * Shapes: T tokens of a step, S of them selected for output, C columns, D head size, V vocabulary. A value is
 * f32 [T, C] before `select` and [S, C] after it. What an op reads and makes is said once, in ops.ts.
 */

import type { TensorType } from '../kernels/quant-formats.ts';
import type { MapFunction } from '../kernels/reference/map.ts';
import type { ZipFunction } from '../kernels/reference/zip.ts';
import type { SourceType } from '../kernels/source-formats.ts';

export type ValueId = number; // op i of a program makes value i; its operands are smaller
export type WeightId = number; // given by Backend.weight
export type StateId = number; // place in Program.states

/** A matrix as the program reads it: `rows` rows of `cols` weights (a vector is one row). */
export interface WeightDesc {
  readonly name: string; // GGUF tensor name
  readonly type: TensorType;
  readonly rows: number; // N, outputs
  readonly cols: number; // K, inputs
}

/** A range of a file that any thread can open, or memory. */
export type ByteRange = { readonly path: string; readonly offset: number } | { readonly bytes: Uint8Array };

/** What a weight is made of: the matrix as it lies, or an expression. Plain data, so that threads can evaluate it. */
export type WeightSource = ByteRange | SourceMatrix;

/**
 * A matrix [rows, cols], row after row without gaps, or what is made of such ones; so a checkpoint loads in whatever layout
 * it has. Tensors of more dimensions have all but the last one as rows. weight-source.ts checks and evaluates it.
 */
export type SourceMatrix =
  | {
      readonly op: 'range';
      readonly at: ByteRange;
      readonly type: SourceType;
      readonly rows: number;
      readonly cols: number;
    }
  /** The same weights in rows of another length: [heads * D, C] is [heads, D * C] too. */
  | { readonly op: 'reshape'; readonly of: SourceMatrix; readonly rows: number; readonly cols: number }
  /** `count` rows or columns from `first` on, of which each `every`-th (default 1) counts. */
  | {
      readonly op: 'slice';
      readonly of: SourceMatrix;
      readonly axis: 'rows' | 'cols';
      readonly first: number;
      readonly count: number;
      readonly every?: number;
    }
  /** The rows of one after those of the other: experts, or parts of a fused matrix. */
  | { readonly op: 'stack'; readonly of: readonly SourceMatrix[] }
  /** [cols, rows]; of types whose weights stand alone. */
  | { readonly op: 'transpose'; readonly of: SourceMatrix }
  /** fn(x), or fn(x, by), of each number, in float32. */
  | { readonly op: 'map'; readonly of: SourceMatrix; readonly fn: 'negate-exp' } // -exp(x)
  | {
      readonly op: 'map';
      readonly of: SourceMatrix;
      readonly fn: 'add' | 'multiply';
      readonly by: number | Spread;
    }
  /** Rounded to another type (kernels/reference/quantize.ts). */
  | { readonly op: 'convert'; readonly of: SourceMatrix; readonly type: TensorType }
  /** MXFP4 out of two tensors: codes U8 [rows, cols / 2] of pairs (k, k + 1), exponents U8 [rows, cols / 32]. */
  | { readonly op: 'mxfp4'; readonly codes: SourceMatrix; readonly scales: SourceMatrix };

/** A matrix of which each number stands for a block of `rows` times `cols`: scales of blocks, of rows, of all. */
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
}

export type Op =
  | { op: 'embed'; table: WeightId; by?: 'token' | 'position' } // row of the table for each token; default token
  | { op: 'norm'; x: ValueId; weight: WeightId; eps: number } // x / rms(x) * weight
  | { op: 'matmul'; x: ValueId; weight: WeightId; bias?: WeightId } // x W^T + bias
  | { op: 'rope'; x: ValueId; heads: number; rope: RopeSpec } // every head rotated by its position
  | AttentionOp
  | { op: 'conv'; x: ValueId; weight: WeightId; state: StateId } // see below
  | { op: 'softmax'; x: ValueId } // of every row
  | { op: 'map'; x: ValueId; fn: MapFunction; scalars?: readonly WeightId[] } // fn of each number
  | { op: 'zip'; a: ValueId; b: ValueId; fn: ZipFunction } // fn of each pair of numbers
  | { op: 'select'; x: ValueId }; // the rows of x that the step wants output for

/**
 * Stores k and v of the step's tokens in a state, then attends causally over the sequence, or over the last `window`
 * positions of it. [T, heads * valueDim]
 */
export interface AttentionOp {
  op: 'attention';
  q: ValueId; // [T, heads * keyDim]
  k: ValueId; // [T, kvHeads * keyDim]
  v: ValueId; // [T, kvHeads * valueDim]
  state: StateId; // of kind kv
  heads: number; // a multiple of kvHeads: query head h reads kv head floor(h * kvHeads / heads)
  scale: number; // of the scores, before softmax
  window?: number; // positions that a token sees, its own included; default all
}

/**
 * What a sequence keeps of the tokens it has seen, for one layer.
 *
 * `conv` is a causal convolution of each column by itself, with K weights a column, [C, K]:
 *   y[t][c] = sum over j of weight[c][j] * x[t - (K - 1) + j][c], x being zero before the sequence begins
 * Its state, used by no other op, is recurrent: the last K - 1 rows of x, (K - 1) * C floats.
 */
export type StateShape = KvShape | RecurrentShape;

/**
 * Keys and values of every position. All are kept, also where every op that reads them has a window: its attention costs
 * no more for a longer sequence, its memory does.
 */
export interface KvShape {
  readonly kind: 'kv';
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
}

/**
 * One block of float32 for a sequence, which every step replaces: what it was before is gone, so it can only begin again
 * (position 0) or go on. A program with such a state has sequences that do.
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

/** What a program is compiled for. */
export interface Limits {
  readonly sequences: number;
  readonly contextLength: number; // positions of a sequence
  /** Positions of all sequences together, where they share a pool of them; default each has its whole context. */
  readonly positions?: number;
  readonly maxTokens: number; // most tokens of a step
  readonly kvType?: KvType; // type of stored keys and values; default f32
  readonly attention?: boolean; // slices may want attention weights; without it nothing is reserved for them
  readonly taps?: readonly ValueId[]; // values with T rows that slices may want; they are kept through the step
}

/**
 * Tokens of one sequence at positions pos, pos + 1, ...; positions below pos must have been computed. What stood from pos
 * on is replaced; of programs with recurrent states, pos is 0 or the sequence's length.
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
 * What a slice is to give.
 *
 * logits     of its last token, or of all; `into` is memory of the caller that the backend may put them in, at its
 *            beginning, in place of new memory for each step
 * top        the `count` largest logits of its last token, as far as `Executable.chooses` allows
 * greedy     `count` ids: that of the largest logit (of equal ones the lowest id), fed back as the sequence's next token,
 *            and so on. The last of them is not computed on, so count - 1 positions are added to the slice's. Beyond
 *            one id, every slice of the step must want as many.
 * attention  the softmax weights of its token; of a step of one token, where the executable `attends`
 * values     the values that the program was compiled to keep (`Limits.taps`), of all its tokens
 */
export type Want =
  | { readonly kind: 'logits'; readonly rows?: 'last' | 'all'; readonly into?: Float32Array } // default last
  | { readonly kind: 'top'; readonly count: number }
  | { readonly kind: 'greedy'; readonly count: number }
  | { readonly kind: 'attention' }
  | { readonly kind: 'values' };

/** What came of a slice: of the kind that it wanted. It belongs to the caller: later steps leave it as it is. */
export type Result =
  | { readonly kind: 'none' }
  | { readonly kind: 'logits'; readonly logits: Float32Array } // [rows, V]
  | ({ readonly kind: 'top' } & TopLogits)
  | { readonly kind: 'greedy'; readonly ids: Int32Array } // [count]
  | { readonly kind: 'attention'; readonly weights: Float32Array } // [heads of all ops, pos + 1], 0 outside a window
  | { readonly kind: 'values'; readonly values: readonly Float32Array[] }; // of each tap [tokens, cols]

/** The largest logits of a row, descending, of equal ones the lowest id first: all where it has fewer. */
export interface TopLogits {
  readonly ids: Int32Array; // [count]
  readonly logits: Float32Array; // [count]
  readonly logSumExp: number; // over the whole row
}

/** How many rows of attention weights a token has. */
export interface AttentionShape {
  readonly heads: readonly number[]; // of each attention op of the program
}

export interface MemoryUse {
  readonly weights: number; // bytes, repacked
  readonly kv: number; // bytes reserved for the whole context
  readonly arena: number; // bytes of activations and scratch
}

/** What one kernel has done so far, by the device's own clock. */
export interface KernelTime {
  readonly kernel: string;
  readonly dispatches: number;
  readonly seconds: number;
  readonly bytes: number; // that had to be read and written
  readonly macs: number; // multiply-adds
}

export interface Executable {
  readonly memory: MemoryUse;
  /** The largest counts that slices may want; absent where the device only hands over logits. */
  readonly chooses?: Readonly<Record<'top' | 'greedy', number>>;
  /** Logits cost little to hand over, so drafts, which need those of every token, may pay where it also chooses. */
  readonly nearLogits?: boolean;
  /** The attention weights that slices may want; absent where the program or the device leaves them out. */
  readonly attends?: AttentionShape;
  /**
   * Runs a step; settles with a result for each slice. One at a time: throws while an earlier step has not settled, and
   * RangeError for what only a caller can get wrong. Rejects with a UserError of kind device where the device fails.
   */
  submit(step: Step): Promise<readonly Result[]>;
  /**
   * Makes positions 0..upto-1 of sequence `to` equal those of `from`. Between steps only. Of programs with recurrent
   * states, upto is 0 or the length of `from`.
   */
  kvCopy(from: number, to: number, upto: number): void;
  /**
   * Forgets positions from `upto` on and returns how many are left. That may be fewer: what a state cannot go back to
   * must be computed again from there. Recurrent states go back to 0 only.
   */
  kvTrim(seq: number, upto: number): number;
  /** A copy of what a sequence keeps of its first `upto` positions. Between steps only. */
  save?(seq: number, upto: number): Promise<Uint8Array>;
  /**
   * Makes a sequence hold what was saved, of this executable or of one like it, and returns how many positions that is.
   * Between steps only. Rejects with a UserError, and leaves the sequence empty, where the bytes are another's.
   */
  restore?(seq: number, saved: Uint8Array): Promise<number>;
  /** Positions that sequences may still take of a pool together (`Limits.positions`); absent without one. */
  free?(): number;
  /** Names the first buffer beside which something was written; only of backends started with sentinels. */
  damage?(): Promise<string | undefined>;
  /** By kernel, the slowest first; only of backends started to profile, whose device has a clock. */
  kernelTimes?(): KernelTime[];
  dispose(): void;
}

/** What the hardware gives at best, all threads together: the ceilings that speeds are read against. */
export interface Roofs {
  readonly readBytesPerSecond: number; // memory, beyond the caches
  readonly multiplyAddsPerSecond: number; // 8-bit integers
}

/** The device behind a backend, where there is one besides the processor. */
export interface DeviceInfo {
  readonly name: string; // as its driver calls it
  readonly vendor: string;
  readonly architecture: string;
  readonly driver: string; // name and version; empty where it is not told
  readonly software: boolean; // computed by the processor: correct, but never the fastest way
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly memory?: number; // bytes, where it is told
}

export interface Backend {
  readonly name: string;
  readonly threads: number; // of this process that compute; 0 where the device does
  readonly device?: DeviceInfo;
  /** What runs where, in words for `percept devices`: kernel class, SIMD width, ... */
  readonly description: string;
  /** True, or the reason why not, in words. `types` are those of the op's weights (ops.ts), `state` is its state. */
  supports(op: Op, types: readonly TensorType[], state?: StateShape): true | string;
  /**
   * Hands a weight over. The backend owns its layout; the bytes are read at the latest by `compile`. Throws UserError for
   * a source that does not give the matrix described.
   */
  weight(desc: WeightDesc, source: WeightSource): WeightId;
  /**
   * Drops a weight: its id is void, and `compile` throws RangeError for it. Its memory is given back at once, or when the
   * last program compiled with it is disposed of.
   */
  forget(weight: WeightId): void;
  /** Bytes of weights read so far, as their sources hold them; absent where nobody counts them. */
  readBytes?(): number;
  /** Rejects with a UserError that names what is not supported or does not fit. */
  compile(program: Program): Promise<Executable>;
  /** Measures the machine; takes part of a second and memory of its own. */
  roofs?(): Promise<Roofs>;
  dispose(): Promise<void>;
}
