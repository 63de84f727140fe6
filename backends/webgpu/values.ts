/**
 * Assigns arrays to the values of a program. An array is free again after the last reader of its value. A phase takes
 * arrays for its results before those of its operands are freed: WebGPU forbids a kernel to read and write one array.
 */
import type { ValueId } from '../backend.ts';
import { lastReads, type Phase, type PhaseUses, usesOf } from '../fuse.ts';
import type { Shape } from '../ops.ts';
import type { Arrays, GpuArray } from './arrays.ts';

/** A float32 matrix in an array: column c of row t is at t * stride + offset + c. */
export interface View {
  readonly array: GpuArray;
  readonly stride: number;
  readonly offset: number;
}

/** Rows rounded to 8 bits: [rows][cols / 4] words, and [rows][cols / 32] (scale, sum of codes). */
export interface Rounded {
  readonly codes: GpuArray;
  readonly scales: GpuArray;
}

/** Number of rows of an array: the tokens of a step, or the output rows of a batch. */
export type RowKind = Shape['rows'];

interface Value {
  readonly view?: View;
  readonly rounded?: Rounded;
  readonly arrays: readonly GpuArray[]; // freed after its last reader, unless another value shares them
}

export class Values {
  readonly #uses: readonly PhaseUses[];
  readonly #phases: readonly Phase[];
  readonly #last: ReadonlyMap<ValueId, number>; // index of a phase
  readonly #shapes: readonly Shape[];
  readonly #rows: Readonly<Record<RowKind, number>>;
  readonly #arrays: Arrays;
  readonly #held = new Map<ValueId, Value>();
  readonly #free = new Map<GpuArray, RowKind>();
  readonly #kinds = new Map<GpuArray, RowKind>();

  constructor(
    {
      phases,
      shapes,
      kept,
    }: { phases: readonly Phase[]; shapes: readonly Shape[]; kept: readonly ValueId[] },
    rows: Readonly<Record<RowKind, number>>,
    arrays: Arrays,
  ) {
    this.#phases = phases;
    this.#uses = phases.map(usesOf);
    this.#last = lastReads(this.#uses, kept);
    this.#shapes = shapes;
    this.#rows = rows;
    this.#arrays = arrays;
  }

  shape(value: ValueId): Shape {
    return this.#shapes[value]!;
  }

  /** Rows of arrays of a kind, padded to a multiple of the tokens that a thread computes at once. */
  rowsOf(kind: RowKind): number {
    return this.#rows[kind];
  }

  /** The float32 matrix of a value. */
  view(value: ValueId): View {
    const view = this.#held.get(value)?.view;
    if (!view) throw new Error(`Value ${value} is held in 8 bits only, but its reader needs float32.`);
    return view;
  }

  /** The rounded rows of a value, if its writer rounded them. */
  rounded(value: ValueId): Rounded | undefined {
    return this.#held.get(value)?.rounded;
  }

  /** Takes one array for values of one phase. Each value has the columns `first` to `first + cols`. */
  write(outs: readonly { value: ValueId; first: number }[], stride: number): readonly View[] {
    const array = this.#take(`value ${outs[0]!.value}`, this.shape(outs[0]!.value).rows, 4 * stride);
    return outs.map(({ value, first }) => {
      const view = { array, stride, offset: first };
      this.#held.set(value, { view, arrays: [array] });
      return view;
    });
  }

  /** Takes arrays for a value that all its readers read rounded. */
  writeRounded(value: ValueId): Rounded {
    const { cols, rows } = this.shape(value);
    const rounded = this.temporary(cols, rows);
    this.#held.set(value, { rounded, arrays: [rounded.codes, rounded.scales] });
    return rounded;
  }

  /** Rounded rows of an intermediate result; release them with `free`. */
  temporary(cols: number, kind: RowKind): Rounded {
    return {
      codes: this.#take('rounded rows', kind, cols),
      scales: this.#take('scales of rounded rows', kind, (cols / 32) * 8),
    };
  }

  /** Float32 rows of an intermediate result; release them with `free`. */
  temporaryView(cols: number, kind: RowKind): View {
    const stride = padded(cols);
    return { array: this.#take('temporary rows', kind, 4 * stride), stride, offset: 0 };
  }

  free(...arrays: readonly GpuArray[]): void {
    for (const array of arrays) this.#free.set(array, this.#kinds.get(array)!);
  }

  /** Frees the arrays that no phase after `i` reads. */
  endOf(i: number): void {
    const dead: GpuArray[] = [];
    for (const [value, { arrays }] of this.#held) {
      if (this.#last.get(value)! > i) continue;
      this.#held.delete(value);
      dead.push(...arrays);
    }
    const shared = new Set([...this.#held.values()].flatMap((value) => value.arrays));
    this.free(...dead.filter((array) => !shared.has(array)));
  }

  readersOf(value: ValueId): Phase[] {
    return this.#phases.filter((_, i) => this.#uses[i]!.reads.includes(value));
  }

  /** The smallest free array that is large enough, unless it is over twice as large; then a new one. */
  #take(label: string, kind: RowKind, rowBytes: number): GpuArray {
    const bytes = this.#rows[kind] * rowBytes;
    const fitting = [...this.#free].filter(([array, other]) => other === kind && array.bytes >= bytes);
    const [best] = fitting.sort(([a], [b]) => a.bytes - b.bytes);
    if (best && best[0].bytes <= 2 * bytes) {
      this.#free.delete(best[0]);
      return best[0];
    }
    const array = this.#arrays.make(label, bytes);
    this.#kinds.set(array, kind);
    return array;
  }
}

/** Columns of a row, padded to whole vec4s. */
export function padded(cols: number): number {
  return 4 * Math.ceil(cols / 4);
}
