/**
 * Where the values of a program lie: every write of a buffer is a value of its own, in an array that it gives back
 * after its last reader. So no kernel reads and writes one array, which WebGPU forbids.
 */
import type { BufferId, Program } from '../backend.ts';
import type { Phase } from '../fuse.ts';
import { usesOf } from '../phase-uses.ts';
import type { Arrays, GpuArray } from './arrays.ts';

/** Columns of rows of float32: number c of row t is at t * stride + offset + c. */
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

/** How many rows an array has: as many as tokens of a step, or as outputs that are computed at once. */
export type RowKind = 'tokens' | 'outputs';

interface Value {
  readonly view?: View;
  readonly rounded?: Rounded;
  readonly lastRead: number; // phase
  readonly arrays: readonly GpuArray[]; // given back after it, unless another value lies there too
}

export class Values {
  readonly #phases: readonly Phase[];
  readonly #logits: BufferId;
  readonly #rows: Readonly<Record<RowKind, number>>;
  readonly #arrays: Arrays;
  readonly #held = new Map<BufferId, Value>();
  readonly #free = new Map<GpuArray, RowKind>();
  readonly #overwritten: GpuArray[] = []; // in the phase at hand, which may still read them
  readonly #kinds = new Map<GpuArray, RowKind>();

  constructor(
    phases: readonly Phase[],
    { logits }: Pick<Program, 'logits'>,
    rows: Readonly<Record<RowKind, number>>,
    arrays: Arrays,
  ) {
    this.#phases = phases;
    this.#logits = logits;
    this.#rows = rows;
    this.#arrays = arrays;
  }

  /** Rows of arrays of a kind, those included that fill up the last threads' share. */
  rowsOf(kind: RowKind): number {
    return this.#rows[kind];
  }

  /** The float32 columns of a buffer; zeros where nothing has been written yet. */
  view(buffer: BufferId, cols: number, kind: RowKind): View {
    const held = this.#held.get(buffer);
    if (held?.view) return held.view;
    if (held) throw new Error(`Buffer ${buffer} is there in 8 bits only, and its reader wants float32.`);
    const stride = padded(cols);
    const view = { array: this.#take(`buffer ${buffer}`, kind, 4 * stride), stride, offset: 0 };
    this.#held.set(buffer, { view, lastRead: Infinity, arrays: [] });
    return view;
  }

  /** The rounded rows of a buffer, where its writer rounded them. */
  rounded(buffer: BufferId): Rounded | undefined {
    return this.#held.get(buffer)?.rounded;
  }

  /** A place for what phase `i` writes: columns `first` to `first + cols` of one array, for each buffer. */
  write(
    i: number,
    outs: readonly { buffer: BufferId; first: number }[],
    stride: number,
    kind: RowKind,
  ): readonly View[] {
    const array = this.#take(`result of phase ${i}`, kind, 4 * stride);
    const lastRead = Math.max(...outs.map(({ buffer }) => this.#lastRead(i, buffer)));
    const views = outs.map(({ first }) => ({ array, stride, offset: first }));
    outs.forEach(({ buffer }, n) => {
      this.#hold(buffer, { view: views[n], lastRead, arrays: [array] });
    });
    return views;
  }

  /** The same for rows that every reader takes rounded. */
  writeRounded(i: number, buffer: BufferId, cols: number, kind: RowKind): Rounded {
    const rounded = this.temporary(cols, kind);
    const lastRead = this.#lastRead(i, buffer);
    this.#hold(buffer, { rounded, lastRead, arrays: [rounded.codes, rounded.scales] });
    return rounded;
  }

  /** Rounded rows that belong to no buffer; give them back with `free`. */
  temporary(cols: number, kind: RowKind): Rounded {
    return {
      codes: this.#take('rounded rows', kind, cols),
      scales: this.#take('scales of rounded rows', kind, (cols / 32) * 8),
    };
  }

  /** Float32 rows that belong to no buffer. */
  temporaryView(cols: number, kind: RowKind): View {
    const stride = padded(cols);
    return { array: this.#take('rows between', kind, 4 * stride), stride, offset: 0 };
  }

  free(...arrays: readonly GpuArray[]): void {
    for (const array of arrays) this.#free.set(array, this.#kinds.get(array)!);
  }

  /** Gives back what no phase after `i` reads. */
  endOf(i: number): void {
    for (const [buffer, { lastRead, arrays }] of this.#held) {
      if (lastRead > i) continue;
      this.#held.delete(buffer);
      this.#overwritten.push(...arrays);
    }
    const shared = new Set([...this.#held.values()].flatMap((value) => value.arrays));
    this.free(...this.#overwritten.splice(0).filter((array) => !shared.has(array)));
  }

  /** The phases that read what phase `i` writes to `buffer`. */
  readersOf(i: number, buffer: BufferId): Phase[] {
    const readers: Phase[] = [];
    for (const phase of this.#phases.slice(i + 1)) {
      const { reads, writes } = usesOf(phase);
      if (reads.includes(buffer)) readers.push(phase);
      if (writes.includes(buffer)) break;
    }
    return readers;
  }

  #lastRead(i: number, buffer: BufferId): number {
    let last = i; // a value that nobody reads goes at once
    for (let j = i + 1; j < this.#phases.length; j++) {
      const { reads, writes } = usesOf(this.#phases[j]!);
      if (reads.includes(buffer)) last = j;
      if (writes.includes(buffer)) return last;
    }
    return buffer === this.#logits ? Infinity : last;
  }

  #hold(buffer: BufferId, value: Value): void {
    this.#overwritten.push(...(this.#held.get(buffer)?.arrays ?? []));
    this.#held.set(buffer, value);
  }

  /** The smallest free array that is wide enough, else a new one. */
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

/** Columns of a row with what fills up its last vec4. */
export function padded(cols: number): number {
  return 4 * Math.ceil(cols / 4);
}
