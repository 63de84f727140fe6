/** The states of a program on the device: keys and values, and recurrent states, of all sequences. */
import type { KvShape, Limits, Program, RecurrentShape, StateId } from '../backend.ts';
import type { Phase } from '../fuse.ts';
import type { OpOf, Shape } from '../ops.ts';
import type { Arrays, GpuArray } from './arrays.ts';
import { padded } from './values.ts';
import type { Weight } from './weights.ts';

/** Keys and values of one state. */
export interface Cache {
  readonly shape: KvShape;
  readonly keys: GpuArray;
  readonly values: GpuArray;
}

/** A byte range of an array. */
export interface Run extends Pick<GpuArray, 'buffer' | 'offset'> {
  readonly at: number; // of the range, in the part of its sequence
  readonly bytes: number;
}

/** A byte range in the part of a sequence. */
type Part = Pick<Run, 'at' | 'bytes'>;

export class States {
  readonly #limits: Limits;
  readonly #caches: ReadonlyMap<StateId, Cache>;
  readonly #past: ReadonlyMap<StateId, GpuArray>;

  constructor(parts: {
    program: Program;
    phases: readonly Phase[];
    shapes: readonly Shape[];
    weights: readonly Weight[];
    arrays: Arrays;
  }) {
    const { program, phases, shapes, weights, arrays } = parts;
    const { states, limits } = program;
    this.#limits = limits;
    const cache = (state: StateId, shape: KvShape): Cache => {
      const { kvHeads, keyDim, valueDim } = shape;
      const made = (what: string, D: number) =>
        arrays.make(`${what} of state ${state}`, limits.sequences * sequenceBytes(kvHeads, D, limits));
      return { shape, keys: made('keys', keyDim), values: made('values', valueDim) };
    };
    this.#caches = new Map(
      states.flatMap((shape, state) => (shape.kind === 'kv' ? [[state, cache(state, shape)]] : [])),
    );
    /** conv: [sequence][rows before the next][columns, padded to vec4s]; scan: [sequence][heads][keys][columns] */
    const past = (op: OpOf<'conv' | 'scan'>) => {
      const floats =
        op.op === 'conv'
          ? (weights[op.weight]!.desc.cols - 1) * padded(shapes[op.x]!.cols)
          : padded((states[op.state] as RecurrentShape).floats);
      return arrays.make(`state ${op.state}`, 4 * limits.sequences * floats);
    };
    const recurrent = phases.filter((phase) => phase.kind === 'conv' || phase.kind === 'scan');
    this.#past = new Map(recurrent.map(({ op }) => [op.state, past(op)]));
  }

  /** Keys and values of a state. */
  cache(state: StateId): Cache {
    return this.#caches.get(state)!;
  }

  /** A recurrent state. */
  past(state: StateId): GpuArray {
    return this.#past.get(state)!;
  }

  get #all(): readonly GpuArray[] {
    return [...this.#caches.values().flatMap(({ keys, values }) => [keys, values]), ...this.#past.values()];
  }

  /** Bytes of all states. */
  get bytes(): number {
    return this.#all.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Bytes of a sequence in the largest array. */
  get sequenceBytes(): number {
    return Math.max(0, ...this.#all.map(({ bytes }) => bytes / this.#limits.sequences));
  }

  /** Dimensions of the widest heads of keys or values; 0 without any. */
  get widest(): number {
    return Math.max(0, ...this.#caches.values().map(({ shape }) => widestOf(shape)));
  }

  /** Byte ranges of the first `upto` positions of a sequence, in the order in which they are saved. */
  runs(seq: number, upto: number): Run[] {
    const limits = this.#limits;
    const of = ({ buffer, offset, bytes }: GpuArray, parts: (size: number) => readonly Part[]): Run[] => {
      const size = bytes / limits.sequences;
      return parts(size).map((part) => ({ ...part, buffer, offset: offset + seq * size + part.at }));
    };
    const kv = [...this.#caches.values()].flatMap(({ shape, keys, values }) => [
      ...of(keys, () => keyParts(shape, limits, upto)),
      ...of(values, () => valueParts(shape, limits, upto)),
    ]);
    if (upto === 0) return kv;
    return [...kv, ...[...this.#past.values()].flatMap((past) => of(past, (bytes) => [{ at: 0, bytes }]))];
  }
}

/** Dimensions of a head of keys or of values, whichever has more. */
export function widestOf({ keyDim, valueDim }: KvShape): number {
  return Math.max(keyDim, valueDim);
}

/** Bytes of the keys of a state, or of its values, of one sequence. D: dimensions of a head. */
export function sequenceBytes(
  kvHeads: number,
  D: number,
  { contextLength, kvType }: Pick<Limits, 'contextLength' | 'kvType'>,
): number {
  return kvHeads * contextLength * Math.ceil(D / 4) * elementBytes(kvType);
}

/** Bytes of an element, which holds four dimensions. */
function elementBytes(kvType: Limits['kvType']): number {
  return cacheType(kvType) === 'f32' ? 16 : 8;
}

/** q8 is stored as float16, which is more precise. */
export function cacheType(type: Limits['kvType']): 'f32' | 'f16' {
  return type === 'f32' || type === undefined ? 'f32' : 'f16';
}

/**
 * The keys of the first `upto` positions (kv-cache.wgsl): a range for each head and four dimensions. Beyond half of the
 * context it is one range over all positions: a copy command costs more than the bytes saved.
 */
function keyParts({ kvHeads, keyDim }: KvShape, limits: Limits, upto: number): Part[] {
  const stride = limits.contextLength * elementBytes(limits.kvType);
  const count = kvHeads * Math.ceil(keyDim / 4);
  if (2 * upto > limits.contextLength) return [{ at: 0, bytes: count * stride }];
  const bytes = upto * elementBytes(limits.kvType);
  return Array.from({ length: count }, (_, i) => ({ at: i * stride, bytes }));
}

/** The values of the first `upto` positions: a range for each head. */
function valueParts({ kvHeads, valueDim }: KvShape, limits: Limits, upto: number): Part[] {
  const position = Math.ceil(valueDim / 4) * elementBytes(limits.kvType);
  return Array.from({ length: kvHeads }, (_, head) => {
    return { at: head * limits.contextLength * position, bytes: upto * position };
  });
}
