/** What the kernels of one chunk read and write. */
import { turns } from '../../kernels/gpujs/rope.ts';
import type { BufferId, RopeSpec, WeightId } from '../backend.ts';
import type { HostRows, Tensor } from './device.ts';
import type { CacheView, Chunk, KvCache } from './kv-cache.ts';
import { packRow } from './pack.ts';
import type { Weight } from './weight.ts';

/** An embedding table as the file holds it. */
export interface Table {
  readonly weight: Weight;
  readonly bytes: Uint8Array;
}

export class Pass {
  readonly chunk: Chunk;
  /** Where the exponentials of each attention op go, [T * heads][columns], if they are asked for. */
  readonly exponentials?: Float32Array[];
  readonly #cache: KvCache;
  readonly #tables: ReadonlyMap<WeightId, Table>;
  readonly #values = new Map<BufferId, Tensor>();
  readonly #turns = new Map<RopeSpec, { cosines: HostRows; sines: HostRows }>();

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

  get(buffer: BufferId): Tensor {
    return this.#values.get(buffer)!;
  }

  set(buffer: BufferId, value: Tensor): void {
    this.#values.set(buffer, value);
  }

  /** Keeps keys and values of the chunk, and gives what attention reads. */
  remember(layer: number, keys: Tensor, values: Tensor): CacheView {
    this.#cache.append(layer, keys, values, this.chunk);
    return this.#cache.view(layer, this.chunk);
  }

  /** Packed rows of the chunk's tokens. */
  tableRows(table: WeightId): HostRows {
    const { weight, bytes } = this.#tables.get(table)!;
    const length = weight.rowBytes;
    return Array.from(this.chunk.tokens, (id) =>
      packRow(weight.desc, bytes.subarray(id * length, (id + 1) * length)),
    );
  }

  /** Factors of the chunk's positions, [T][headDim]. */
  turns(spec: RopeSpec, headDim: number): { cosines: HostRows; sines: HostRows } {
    const known = this.#turns.get(spec);
    if (known) return known;
    const rows = Array.from(this.chunk.positions, (position) => turns(position, headDim, spec));
    const made = { cosines: rows.map(({ cosines }) => cosines), sines: rows.map(({ sines }) => sines) };
    this.#turns.set(spec, made);
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
