/** The values, states and tables that the kernels of one chunk read and write. */
import { rotations } from '../../kernels/gpujs/rope.ts';
import type { AttentionOp, RopeSpec, ValueId, WeightId } from '../backend.ts';
import type { OpOf } from '../ops.ts';
import type { Exponentials } from './attention-weights.ts';
import {
  type CacheView,
  type Chunk,
  type ConvRows,
  firstSeen,
  type HostRows,
  type States,
  type Tensor,
} from './device.ts';
import { packRow } from './pack.ts';
import type { Weight } from './weight.ts';

/** An embedding table in the bytes of its file. */
export interface Table {
  readonly weight: Weight;
  readonly bytes: Uint8Array;
}

/** [T][headDim] each. */
export interface Rotations {
  readonly cosines: HostRows;
  readonly sines: HostRows;
}

export class Pass {
  readonly chunk: Chunk;
  /** Collects the exponentials of each attention op, if they are wanted, in steps of one token. */
  readonly exponentials?: Exponentials[];
  readonly #states: States;
  readonly #tables: ReadonlyMap<WeightId, Table>;
  readonly #values = new Map<ValueId, Tensor>();
  readonly #rotations = new Map<RopeSpec, Map<number, Rotations>>(); // by head size

  constructor(
    chunk: Chunk,
    states: States,
    tables: ReadonlyMap<WeightId, Table>,
    exponentials?: Exponentials[],
  ) {
    this.chunk = chunk;
    this.exponentials = exponentials;
    this.#states = states;
    this.#tables = tables;
  }

  get(value: ValueId): Tensor {
    return this.#values.get(value)!;
  }

  set(id: ValueId, value: Tensor): void {
    this.#values.set(id, value);
  }

  /** Stores keys and values of the chunk. */
  remember({ state }: AttentionOp, keys: Tensor, values: Tensor): void {
    this.#states.append(state, keys, values, this.chunk);
  }

  /** The operands of attention. */
  view({ state, window }: AttentionOp): CacheView {
    return this.#states.view(state, this.chunk, window);
  }

  /** The operands of a conv. Each sequence keeps the last of its rows. */
  appendRows({ state, x }: OpOf<'conv'>, columns: number): ConvRows {
    return this.#states.appendRows(state, this.get(x), this.chunk, columns);
  }

  /** Packed rows of the chunk's tokens, or of their positions. */
  tableRows({ table, by }: OpOf<'embed'>): HostRows {
    const { weight, bytes } = this.#tables.get(table)!;
    const length = weight.rowBytes;
    return Array.from(by === 'position' ? this.chunk.positions : this.chunk.tokens, (id) =>
      packRow(weight.desc, bytes.subarray(id * length, (id + 1) * length)),
    );
  }

  /** Cosines and sines for the chunk's positions, computed once for each spec and head size. */
  rotations(spec: RopeSpec, headDim: number): Rotations {
    const bySize = this.#rotations.get(spec) ?? new Map<number, Rotations>();
    this.#rotations.set(spec, bySize);
    const known = bySize.get(headDim);
    if (known) return known;
    const rows = Array.from(this.chunk.positions, (position) => rotations(position, headDim, spec));
    const made = { cosines: rows.map(({ cosines }) => cosines), sines: rows.map(({ sines }) => sines) };
    bySize.set(headDim, made);
    return made;
  }

  /** [T] index of each token's own position among those that it sees. */
  lasts(window: number | undefined): Float32Array {
    return this.chunk.positions.map((position) => position - firstSeen(position, window));
  }
}
