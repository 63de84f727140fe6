/** Adds what adapters make of x to the products of a graph: y + B (A x). */
import type { Op, SourceMatrix, ValueId } from '../../backends/backend.ts';
import { UserError } from '../../errors.ts';
import { matrixOf, productOf, reshaped, scaled } from '../checkpoint/stored.ts';
import type { Adapter, AdapterPair } from './adapted.ts';
import type { GraphTensors } from './graph-tensors.ts';

/** Rows `first` to first + rows of a matrix [of, cols]. */
interface RowsOfMatrix {
  readonly first: number;
  readonly rows: number;
  readonly of: number;
  readonly cols: number;
}

export class AdaptedProducts {
  readonly #adapters: readonly Adapter[];
  readonly #weights: GraphTensors;
  readonly #push: (op: Op) => ValueId;
  readonly #used = new Set<AdapterPair>();

  constructor(adapters: readonly Adapter[], weights: GraphTensors, push: (op: Op) => ValueId) {
    this.#adapters = adapters;
    this.#weights = weights;
    this.#push = push;
  }

  /** Throws UserError for a pair that no product has met. */
  requireAllUsed(): void {
    for (const { path, pairs } of this.#adapters) {
      const [name] = [...pairs].find(([, pair]) => !this.#used.has(pair)) ?? [];
      if (name === undefined) continue;
      throw new UserError(
        `The adapter ${path} changes ${name}, which this model does not have or percept cannot adapt yet.`,
        'Use the adapter with the model that it was trained on, or merge it into that.',
      );
    }
  }

  /** @param name of the matrix's tensor, without its suffix */
  product(name: string, x: ValueId, y: ValueId, { first, rows, of, cols }: RowsOfMatrix): ValueId {
    return this.#eachPair(name, y, (pair, key, factor, sum) => {
      const rank = this.#rank(name, pair, { rows: of, cols });
      const a = this.#thin(`${key}.lora_a`, scaled(pair.a, factor).source, rank, cols);
      const all = reshaped(pair.b, of, rank).source;
      const own: SourceMatrix =
        rows === of ? all : { op: 'slice', of: all, axis: 'rows', first, count: rows };
      const b = this.#thin(`${key}.lora_b from ${first} on`, own, rows, rank);
      const inner = this.#push({ op: 'matmul', x, weight: a });
      return this.#sum(sum, this.#push({ op: 'matmul', x: inner, weight: b }));
    });
  }

  /** The same of the parts of each of `heads` equal runs of rows. */
  headParts(
    name: string,
    x: ValueId,
    y: ValueId,
    part: { heads: number; run: number; from: number; rows: number; cols: number },
  ): ValueId {
    const { heads, run, from, rows, cols } = part;
    return this.#eachPair(name, y, (pair, key, factor, sum) => {
      const rank = this.#rank(name, pair, { rows: heads * run, cols });
      const a = this.#thin(`${key}.lora_a`, scaled(pair.a, factor).source, rank, cols);
      const all = reshaped(pair.b, heads, run * rank).source;
      const own = { op: 'slice', of: all, axis: 'cols', first: from * rank, count: rows * rank } as const;
      const source = { op: 'reshape', of: own, rows: heads * rows, cols: rank } as const;
      const b = this.#thin(`${key}.lora_b, rows from ${from} on of each head`, source, heads * rows, rank);
      const inner = this.#push({ op: 'matmul', x, weight: a });
      return this.#sum(sum, this.#push({ op: 'matmul', x: inner, weight: b }));
    });
  }

  /** Rows of a table of embeddings, whose A is one, too. */
  row(name: string, y: ValueId, { rows, cols }: { rows: number; cols: number }): ValueId {
    return this.#eachPair(name, y, (pair, key, factor, sum) => {
      const rank = pair.a.shape.at(-1)!;
      this.#requireShape(name, pair, [rows, rank], [cols, rank]);
      const table = this.#weights.thin(`${key}.lora_a`, rows, rank, scaled(pair.a, factor).source);
      const b = this.#thin(`${key}.lora_b`, pair.b.source, cols, rank);
      const inner = this.#push({ op: 'embed', table });
      return this.#sum(sum, this.#push({ op: 'matmul', x: inner, weight: b }));
    });
  }

  /** Products with the picked experts, of which each has its own pair. */
  experts(
    name: string,
    x: ValueId,
    y: ValueId,
    picks: ValueId,
    { count, rows, cols }: { count: number; rows: number; cols: number },
  ): ValueId {
    return this.#eachPair(name, y, (pair, key, factor, sum) => {
      const rank = pair.a.shape.at(-2)!;
      this.#requireShape(name, pair, [count, rank, cols], [count, rows, rank]);
      const [a, b] = [scaled(pair.a, factor), pair.b].map((half, i) => {
        const [all, width] = matrixOf(half.shape);
        return this.#weights.thin(`${key}.lora_${'ab'[i]}`, all, width, half.source, count);
      });
      const inner = this.#push({ op: 'expert-matmul', x, weight: a!, picks });
      return this.#sum(sum, this.#push({ op: 'expert-matmul', x: inner, weight: b!, picks }));
    });
  }

  #eachPair(
    name: string,
    y: ValueId,
    add: (pair: AdapterPair, key: string, factor: number, sum: ValueId) => ValueId,
  ): ValueId {
    let sum = y;
    for (const [i, { pairs, factor }] of this.#adapters.entries()) {
      const pair = pairs.get(`${name}.weight`);
      if (!pair) continue;
      this.#used.add(pair);
      if (factor !== 0) sum = add(pair, `adapter ${i}: ${name}`, factor, sum);
    }
    return sum;
  }

  #sum(a: ValueId, b: ValueId): ValueId {
    return this.#push({ op: 'zip', fn: 'add', a, b });
  }

  /** A matrix of one row is no vector. */
  #thin(name: string, source: SourceMatrix, rows: number, cols: number) {
    return this.#weights.thin(name, rows, cols, source, rows === 1 ? 1 : undefined);
  }

  #rank(name: string, pair: AdapterPair, { rows, cols }: { rows: number; cols: number }): number {
    const rank = pair.a.shape.at(-2)!;
    this.#requireShape(name, pair, [rank, cols], [rows, rank]);
    return rank;
  }

  #requireShape(name: string, { a, b }: AdapterPair, ...wanted: readonly (readonly number[])[]): void {
    const fits = [a, b].every(
      ({ shape }, i) => `${matrixOf(shape)}` === `${matrixOf(wanted[i]!)}` && productOf(shape) > 0,
    );
    if (fits) return;
    throw new UserError(
      `Expected an adapter of ${name} with A [${wanted[0]}] and B [${wanted[1]}], got [${a.shape}] and [${b.shape}].`,
      'Use the adapter with the model that it was trained on.',
    );
  }
}
