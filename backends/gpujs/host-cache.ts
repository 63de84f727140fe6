/**
 * The cache where kernels run on the processor. Mode cpu reads it where it is. Mode webasm copies what
 * attention reads at every call, so it is handed the part of a sequence that it sees: twice as much each time that is
 * too short, because another length is another module.
 */
import type { Program, StateId } from '../backend.ts';
import {
  type CacheView,
  type Chunk,
  type Device,
  firstSeen,
  type HostRows,
  type KvCache,
  type Tensor,
} from './device.ts';

const SHORTEST = 64;

/** Keys of a state, or its values. */
interface Rows {
  readonly columns: number; // kvHeads * D
  readonly sequences: readonly Float32Array[]; // each [contextLength][columns]
}

export class HostCache implements KvCache {
  readonly bytes: number;
  readonly #device: Pick<Device, 'input'>;
  readonly #contextLength: number;
  readonly #doubled: boolean;
  readonly #states: { readonly keys: Rows; readonly values: Rows }[];

  constructor(
    device: Pick<Device, 'input'>,
    { states, limits }: Pick<Program, 'states' | 'limits'>,
    doubled: boolean,
  ) {
    const { sequences, contextLength } = limits;
    this.#device = device;
    this.#contextLength = contextLength;
    this.#doubled = doubled;
    const rows = (columns: number): Rows => ({
      columns,
      sequences: Array.from({ length: sequences }, () => new Float32Array(contextLength * columns)),
    });
    this.#states = states.map(({ kvHeads, keyDim, valueDim }) => ({
      keys: rows(kvHeads * keyDim),
      values: rows(kvHeads * valueDim),
    }));
    const columns = this.#states.reduce((sum, { keys, values }) => sum + keys.columns + values.columns, 0);
    this.bytes = sequences * contextLength * columns * Float32Array.BYTES_PER_ELEMENT;
  }

  get #all(): Rows[] {
    return this.#states.flatMap(({ keys, values }) => [keys, values]);
  }

  append(state: StateId, keys: Tensor, values: Tensor, { positions, sequences }: Chunk): void {
    const held = this.#states[state]!;
    for (const [rows, { columns, sequences: cached }] of [
      [keys as HostRows, held.keys],
      [values as HostRows, held.values],
    ] as const) {
      positions.forEach((position, t) => {
        cached[sequences[t]!]!.set(rows[t]!, position * columns);
      });
    }
  }

  view(state: StateId, { positions, sequences }: Chunk, window?: number): CacheView {
    const end = Math.max(...positions) + 1;
    const first = firstSeen(Math.min(...positions), window);
    const columns = this.#doubled ? this.#atLeast(end - first) : end - first;
    const from = Math.min(first, this.#contextLength - columns);
    const part = ({ columns: width, sequences: cached }: Rows) => {
      const rows = cached[sequences[0]!]!.subarray(from * width, (from + columns) * width);
      return this.#device.input(rows, [width, columns]);
    };
    const { keys, values } = this.#states[state]!;
    const bases = positions.map((position) => firstSeen(position, window) - from);
    return { keys: part(keys), values: part(values), bases, columns };
  }

  copy(from: number, to: number, upto: number): void {
    for (const { columns, sequences } of this.#all) {
      sequences[to]!.set(sequences[from]!.subarray(0, upto * columns));
    }
  }

  async read(sequence: number, upto: number): Promise<Float32Array[]> {
    return this.#all.map(({ columns, sequences }) => sequences[sequence]!.slice(0, upto * columns));
  }

  write(sequence: number, upto: number, next: (count: number) => Float32Array<ArrayBuffer>): void {
    for (const { columns, sequences } of this.#all) sequences[sequence]!.set(next(upto * columns));
  }

  dispose(): void {
    this.#states.length = 0;
  }

  #atLeast(length: number): number {
    const doubled = 2 ** Math.ceil(Math.log2(Math.max(length, SHORTEST)));
    return Math.min(doubled, this.#contextLength);
  }
}
