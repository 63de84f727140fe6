/** What every backend does with weights: keep them by id, check that a program's are supported, read their bytes. */
import { UserError } from '../errors.ts';
import { rowBytes } from '../kernels/quant-formats.ts';
import type { Backend, Program, SourceMatrix, WeightDesc, WeightId, WeightSource } from './backend.ts';
import { stateOf, weightsOf } from './ops.ts';
import { WeightFiles } from './weight-files.ts';
import { rowsOf } from './weight-rows.ts';
import { checkedSource } from './weight-source.ts';

/** Throws UserError for the first op of the program that the backend does not compute, with its weight's name. */
export function checkSupport(
  { ops, states }: Pick<Program, 'ops' | 'states'>,
  desc: (id: WeightId) => WeightDesc,
  backend: Pick<Backend, 'supports'>,
): void {
  for (const op of ops) {
    const weights = weightsOf(op).map(desc);
    const state = 'state' in op ? stateOf(op, states) : undefined;
    const answer = backend.supports(
      op,
      weights.map(({ type }) => type),
      state,
    );
    if (answer === true) continue;
    throw new UserError(
      `${weights[0]?.name ?? op.op}: ${answer}.`,
      'Choose another backend (--backend cpu), or a file with tensors of a supported type.',
    );
  }
}

/**
 * How many token ids there are: the rows of the table that tokens are looked up in, of several the smallest. Throws
 * RangeError for a program without one, and for a context beyond a table of positions.
 */
export function vocabularyOf(
  { ops, limits }: Pick<Program, 'ops' | 'limits'>,
  desc: (id: WeightId) => WeightDesc,
): number {
  const embeds = ops.filter((op) => op.op === 'embed');
  const rowsBy = (key: 'token' | 'position') =>
    Math.min(...embeds.flatMap(({ table, by = 'token' }) => (by === key ? [desc(table).rows] : [])));
  const [vocabulary, positions] = [rowsBy('token'), rowsBy('position')];
  if (!Number.isFinite(vocabulary)) throw new RangeError('Expected a program that embeds tokens, got none.');
  if (positions < limits.contextLength) {
    throw new RangeError(
      `Expected a context of at most ${positions} positions, got ${limits.contextLength}.`,
    );
  }
  return vocabulary;
}

/** Bytes of a weight as its source holds it. */
export function weightBytes({ type, rows, cols }: WeightDesc): number {
  return rows * rowBytes(type, cols);
}

/** A weight as it was handed over. */
export interface GivenWeight {
  readonly desc: WeightDesc;
  readonly source: SourceMatrix; // checked
}

/** Throws UserError for a source that does not give the matrix described. */
export function givenWeight(desc: WeightDesc, source: WeightSource): GivenWeight {
  return { desc, source: checkedSource(desc, source) };
}

/** Bytes of an expression that are made at once. */
const BAND_BYTES = 4 * 1024 * 1024;

/** All bytes of a weight. Rejects with a UserError where the source does not give the matrix or a file ends before it. */
export async function readWeight(desc: WeightDesc, source: WeightSource): Promise<Uint8Array> {
  using files = new WeightFiles();
  return await readRows(files, givenWeight(desc, source), 0, desc.rows);
}

/** The bytes of `count` rows from `first` on; those of a weight in memory are no copy. */
export async function readRows(
  files: WeightFiles,
  { desc, source }: GivenWeight,
  first: number,
  count: number,
): Promise<Uint8Array> {
  const pitch = rowBytes(desc.type, desc.cols);
  files.check(source, desc.name);
  if (source.op === 'range' && 'bytes' in source.at) {
    return source.at.bytes.subarray(first * pitch, (first + count) * pitch);
  }
  const bytes = new Uint8Array(count * pitch);
  const step = source.op === 'range' ? count : Math.max(1, Math.floor(BAND_BYTES / pitch));
  for (let row = 0; row < count; row += step) {
    const rows = Math.min(step, count - row);
    const into = bytes.subarray(row * pitch, (row + rows) * pitch);
    await files.runSoon(rowsOf(source, desc.name, first + row, rows, into), desc.name);
  }
  return bytes;
}

/** The weights of a backend by id, and how many compiled programs use each. */
export class WeightTable<Weight> {
  readonly #weights: Weight[] = []; // forgotten ones are missing
  readonly #users: number[] = [];
  readonly #forgotten = new Set<WeightId>(); // that programs still use
  readonly #drop: (weight: Weight, id: WeightId) => void;
  #compiled: Promise<unknown> = Promise.resolve(); // settles when no program is being compiled

  /** @param drop gives the memory of a weight back that was forgotten and that no program uses */
  constructor(drop: (weight: Weight, id: WeightId) => void) {
    this.#drop = drop;
  }

  /** By id, as programs being compiled read them. */
  get all(): readonly Weight[] {
    return this.#weights;
  }

  add(weight: Weight): WeightId {
    this.#users.push(0);
    return this.#weights.push(weight) - 1;
  }

  /** Throws RangeError for a weight that was forgotten, or that nobody gave. */
  get(id: WeightId): Weight {
    if (id in this.#weights && !this.#forgotten.has(id)) return this.#weights[id]!;
    throw new RangeError(`Expected a weight of this backend, got ${id}, which was forgotten or never given.`);
  }

  /**
   * Compiles a program once those before it are compiled, so that it finds the weights they brought. Its weights are in
   * use until it calls `release`, or fails. Rejects with RangeError as `get` throws it.
   */
  async compiling<T>(
    program: Pick<Program, 'ops'>,
    compile: (release: () => void) => Promise<T>,
  ): Promise<T> {
    const release = this.#use(program);
    const compiled = this.#compiled.then(() => compile(release));
    this.#compiled = compiled.catch(release);
    return compiled;
  }

  /** Throws RangeError as `get` does. */
  forget(id: WeightId): void {
    this.get(id);
    this.#forgotten.add(id);
    this.#dropUnused(id);
  }

  #use({ ops }: Pick<Program, 'ops'>): () => void {
    const ids = new Set(ops.flatMap(weightsOf));
    for (const id of ids) this.get(id);
    for (const id of ids) this.#users[id]!++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      for (const id of ids) {
        this.#users[id]!--;
        this.#dropUnused(id);
      }
    };
  }

  #dropUnused(id: WeightId): void {
    if (this.#users[id]! > 0 || !this.#forgotten.delete(id)) return;
    const weight = this.#weights[id]!;
    delete this.#weights[id];
    this.#drop(weight, id);
  }
}
