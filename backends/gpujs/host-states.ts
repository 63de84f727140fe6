/**
 * The states of kernels on the processor. Mode cpu reads them in place. Mode webasm copies the operands of attention at
 * every call, so it gets only the part of a sequence that is seen. The length of that part is doubled when it is too
 * short, because each length compiles another module.
 */
import type { Program, StateId } from '../backend.ts';
import {
  type CacheView,
  type Chunk,
  type ConvRows,
  type Device,
  firstSeen,
  type HostRows,
  type States,
  type Tensor,
} from './device.ts';

const SHORTEST = 64; // positions

/** Keys of a state, or its values. */
interface Rows {
  readonly columns: number; // kvHeads * D
  readonly sequences: readonly Float32Array[]; // each [contextLength][columns]
}

export class HostStates implements States {
  readonly bytes: number;
  readonly #device: Pick<Device, 'input'>;
  readonly #contextLength: number;
  readonly #doubled: boolean;
  readonly #kv = new Map<StateId, { readonly keys: Rows; readonly values: Rows }>();
  readonly #past = new Map<StateId, readonly Float32Array[]>(); // of each sequence [K - 1][columns]

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
    for (const [id, state] of states.entries()) {
      if (state.kind === 'recurrent') {
        this.#past.set(
          id,
          Array.from({ length: sequences }, () => new Float32Array(state.floats)),
        );
        continue;
      }
      const { kvHeads, keyDim, valueDim } = state;
      this.#kv.set(id, { keys: rows(kvHeads * keyDim), values: rows(kvHeads * valueDim) });
    }
    const held = [...this.#all.flatMap(({ sequences }) => sequences), ...[...this.#past.values()].flat()];
    this.bytes = held.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  get #all(): Rows[] {
    return [...this.#kv.values()].flatMap(({ keys, values }) => [keys, values]);
  }

  append(state: StateId, keys: Tensor, values: Tensor, { positions, sequences }: Chunk): void {
    const held = this.#kv.get(state)!;
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
    const { keys, values } = this.#kv.get(state)!;
    const bases = positions.map((position) => firstSeen(position, window) - from);
    return { keys: part(keys), values: part(values), bases, columns };
  }

  /** The tokens of a chunk are consecutive in one sequence. */
  appendRows(state: StateId, x: Tensor, { positions, sequences }: Chunk, columns: number): ConvRows {
    const past = this.#past.get(state)![sequences[0]!]!;
    const T = positions.length;
    const all = new Float32Array(past.length + T * columns);
    if (positions[0]! > 0) all.set(past);
    (x as HostRows).forEach((row, t) => {
      all.set(row, past.length + t * columns);
    });
    past.set(all.subarray(T * columns));
    return {
      rows: this.#device.input(all, [columns, all.length / columns]),
      firsts: Float32Array.from({ length: T }, (_, t) => t),
    };
  }

  copy(from: number, to: number, upto: number): void {
    for (const { columns, sequences } of this.#all) {
      sequences[to]!.set(sequences[from]!.subarray(0, upto * columns));
    }
    if (upto > 0) for (const past of this.#past.values()) past[to]!.set(past[from]!);
  }

  async read(sequence: number, upto: number): Promise<Float32Array[]> {
    const past = upto > 0 ? [...this.#past.values()] : [];
    return [
      ...this.#all.map(({ columns, sequences }) => sequences[sequence]!.slice(0, upto * columns)),
      ...past.map((sequences) => sequences[sequence]!.slice()),
    ];
  }

  write(sequence: number, upto: number, next: (count: number) => Float32Array<ArrayBuffer>): void {
    for (const { columns, sequences } of this.#all) sequences[sequence]!.set(next(upto * columns));
    if (upto === 0) return;
    for (const sequences of this.#past.values()) sequences[sequence]!.set(next(sequences[sequence]!.length));
  }

  dispose(): void {
    this.#kv.clear();
    this.#past.clear();
  }

  #atLeast(length: number): number {
    const doubled = 2 ** Math.ceil(Math.log2(Math.max(length, SHORTEST)));
    return Math.min(doubled, this.#contextLength);
  }
}
