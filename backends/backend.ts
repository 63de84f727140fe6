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

export type ValueId = number; // op i of a program makes value i; its operands are smaller
export type WeightId = number; // given by Backend.weight
export type StateId = number; // place in Program.states

/** A matrix as the file holds it: `rows` rows of `cols` weights (a vector is one row). */
export interface WeightDesc {
  readonly name: string; // GGUF tensor name
  readonly type: TensorType;
  readonly rows: number; // N, outputs
  readonly cols: number; // K, inputs
}

/** Where a weight's bytes are: a range of a file that any thread can open, or memory. */
export type WeightSource =
  | { readonly path: string; readonly offset: number }
  | { readonly bytes: Uint8Array };

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
  | { op: 'softmax'; x: ValueId } // of every row
  | { op: 'map'; x: ValueId; fn: MapFunction; scalars?: readonly WeightId[] } // fn of each number
  | { op: 'zip'; a: ValueId; b: ValueId; fn: ZipFunction } // fn of each pair of numbers
  | { op: 'select'; x: ValueId }; // the rows of x that the step wants output for

/** Stores k and v of the step's tokens in a state, then attends causally over the sequence. [T, heads * valueDim] */
export interface AttentionOp {
  op: 'attention';
  q: ValueId; // [T, heads * keyDim]
  k: ValueId; // [T, kvHeads * keyDim]
  v: ValueId; // [T, kvHeads * valueDim]
  state: StateId; // of kind kv
  heads: number; // a multiple of kvHeads: query head h reads kv head floor(h * kvHeads / heads)
  scale: number; // of the scores, before softmax
}

/** What a sequence keeps of the tokens it has seen, for one layer. */
export interface StateShape {
  readonly kind: 'kv'; // keys and values of every position
  readonly kvHeads: number;
  readonly keyDim: number;
  readonly valueDim: number;
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
  readonly maxTokens: number; // most tokens of a step
  readonly kvType?: KvType; // type of stored keys and values; default f32
  readonly attention?: boolean; // steps may ask for attention weights; without it nothing is reserved for them
}

/** Tokens of one sequence at positions pos, pos + 1, ...; positions below pos must have been computed. */
export interface Slice {
  readonly seq: number;
  readonly pos: number;
  readonly tokens: ArrayLike<number>;
}

/** One pass of the program. Several slices are a batch; each sequence occurs at most once. */
export interface Step {
  readonly slices: readonly Slice[];
  readonly logits: 'none' | 'last' | 'all'; // rows wanted: none, the last of each slice, every token
  /** What the device makes of the wanted rows, instead of handing them over; only as `Executable.chooses` allows. */
  readonly choose?: Choice;
  /** The attention weights too, beside logits; of a step of one token, where the executable `attends`. */
  readonly attention?: boolean;
}

/**
 * top: the `count` largest logits of each row.
 * greedy: for each slice `count` tokens, each the id of the largest logit (of equal ones the lowest id), fed back as the
 * next token of its sequence. The last of them is not computed on, so count - 1 positions are added to the slice's.
 */
export type Choice =
  | { readonly kind: 'top'; readonly count: number }
  | { readonly kind: 'greedy'; readonly count: number };

/** The largest logits of S rows, descending, of equal ones the lowest id first. */
export interface TopLogits {
  readonly ids: Int32Array; // [S, count]
  readonly logits: Float32Array; // [S, count]
  readonly logSumExp: Float32Array; // [S], over the whole row
}

/** What comes of a step, as far as it asked for it: logits or what was chosen. All reject where the device fails. */
export interface Ticket {
  /** [S, V] rows in slice order; a view that the next submit overwrites. Empty for logits 'none'. */
  logits(): Promise<Float32Array>;
  /** Of a step that chooses 'top'. */
  top?(): Promise<TopLogits>;
  /** Of a step that chooses 'greedy': ids [slices, count]. */
  ids?(): Promise<Int32Array>;
  /**
   * Of a step that asks for it: [heads, pos + 1] softmax weights of its token over the positions it sees, a row for
   * each head of each attention op in the order of the program. A copy: it stays as it is.
   */
  attention?(): Promise<Float32Array>;
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
  /** The largest count of each kind of choice; absent where the device only hands over logits. */
  readonly chooses?: Readonly<Record<Choice['kind'], number>>;
  /** What steps may ask for as `attention`; absent where the program or the device leaves it out. */
  readonly attends?: AttentionShape;
  /** Starts a step. One at a time: throws while an earlier ticket has not settled. */
  submit(step: Step): Ticket;
  /** Makes positions 0..upto-1 of sequence `to` equal those of `from`. */
  kvCopy(from: number, to: number, upto: number): void;
  /** Forgets positions from `upto` on. */
  kvTrim(seq: number, upto: number): void;
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
  /** Hands a weight over. The backend owns its layout; the bytes are read at the latest by `compile`. */
  weight(desc: WeightDesc, source: WeightSource): WeightId;
  /** Bytes of weights read so far, as their sources hold them; absent where nobody counts them. */
  readBytes?(): number;
  /** Rejects with a UserError that names what is not supported or does not fit. */
  compile(program: Program): Promise<Executable>;
  /** Measures the machine; takes part of a second and memory of its own. */
  roofs?(): Promise<Roofs>;
  dispose(): Promise<void>;
}
