/** What the kernels of one chunk read and write. */
import { rotations } from '../../kernels/gpujs/rope.ts';
import type { RopeSpec, StateId, ValueId, WeightId } from '../backend.ts';
import type { OpOf } from '../ops.ts';
import type { CacheView, Chunk, HostRows, KvCache, Tensor } from './device.ts';
import { packRow } from './pack.ts';
import type { Weight } from './weight.ts';

/** An embedding table as the file holds it. */
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
  /** Where the exponentials of each attention op go, [T * heads][columns], if they are asked for. */
  readonly exponentials?: Float32Array[];
  readonly #cache: KvCache;
  readonly #tables: ReadonlyMap<WeightId, Table>;
  readonly #values = new Map<ValueId, Tensor>();
  readonly #rotations = new Map<RopeSpec, Map<number, Rotations>>(); // by head size

  constructor(
    chunk: Chunk,
    cache: KvCache,
    tables: ReadonlyMap<WeightId, Table>,
    exponentials?: Float32Array[],
  ) {
    this.chunk = chunk;
    this.exponentials = exponentials;
    this.#cache = cache;
    this.#tables = tables;
  }

  get(value: ValueId): Tensor {
    return this.#values.get(value)!;
  }

  set(id: ValueId, value: Tensor): void {
    this.#values.set(id, value);
  }

  /** Keeps keys and values of the chunk, and gives what attention reads. */
  remember(state: StateId, keys: Tensor, values: Tensor): CacheView {
    this.#cache.append(state, keys, values, this.chunk);
    return this.#cache.view(state, this.chunk);
  }

  /** Packed rows of the chunk's tokens, or of their positions. */
  tableRows({ table, by }: OpOf<'embed'>): HostRows {
    const { weight, bytes } = this.#tables.get(table)!;
    const length = weight.rowBytes;
    return Array.from(by === 'position' ? this.chunk.positions : this.chunk.tokens, (id) =>
      packRow(weight.desc, bytes.subarray(id * length, (id + 1) * length)),
    );
  }

  /** Factors of the chunk's positions. */
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

  /** Positions that each query head of each token sees, [T * heads]. */
  lengths(heads: number): Float32Array {
    return Float32Array.from(
      { length: this.chunk.positions.length * heads },
      (_, row) => this.chunk.positions[Math.floor(row / heads)]! + 1,
    );
  }
}
