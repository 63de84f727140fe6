/** Work of every backend with weights: keeps them by id, checks that their types are supported, reads their bytes. */
import { UserError } from '../errors.ts';
import { allFinite } from '../kernels/finite.ts';
import { rowBytes } from '../kernels/quant-formats.ts';
import type { Backend, Program, SourceMatrix, WeightDesc, WeightId, WeightSource } from './backend.ts';
import { weightsNotFinite } from './finite-weights.ts';
import { stateOf, weightsOf } from './ops.ts';
import { WeightFiles } from './weight-files.ts';
import { rowsOf } from './weight-rows.ts';
import { checkedSource } from './weight-source.ts';

/** Throws UserError, with the name of its weight, for the first op that the backend does not support. */
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
 * The number of token ids: the rows of the token table, or of the smallest of several. Throws RangeError for a program
 * without a token table, and for a context beyond a table of positions.
 */
export function vocabularyOf(
  { ops, limits }: Pick<Program, 'ops' | 'limits'>,
  desc: (id: WeightId) => WeightDesc,
): number {
  const embeds = ops.filter((op) => op.op === 'embed');
  const rowsBy = (key: 'token' | 'position') =>
    Math.min(...embeds.flatMap(({ table, by = 'token' }) => (by === key ? [desc(table).rows] : [])));
  const [vocabulary, positions] = [rowsBy('token'), rowsBy('position')];
  if (!Number.isFinite(vocabulary)) throw new RangeError('The program does not embed tokens.');
  if (positions < limits.contextLength) {
    throw new RangeError(
      `Expected a context of at most ${positions} positions, got ${limits.contextLength}.`,
    );
  }
  return vocabulary;
}

/** Bytes of a weight in its source. */
export function weightBytes({ type, rows, cols }: WeightDesc): number {
  return rows * rowBytes(type, cols);
}

/** A weight and its source, from the caller. */
export interface GivenWeight {
  readonly desc: WeightDesc;
  readonly source: SourceMatrix; // checked
}

/** Throws UserError for a source that does not make the described matrix. */
export function givenWeight(desc: WeightDesc, source: WeightSource): GivenWeight {
  return { desc, source: checkedSource(desc, source) };
}

/** Most bytes of an expression that are evaluated at once. */
const BAND_BYTES = 4 * 1024 * 1024;

/** All bytes of a weight. Rejects with UserError if the source does not make the matrix or a file ends too early. */
export async function readWeight(desc: WeightDesc, source: WeightSource): Promise<Uint8Array> {
  using files = new WeightFiles();
  return await readRows(files, givenWeight(desc, source), 0, desc.rows);
}

/** As bytesOfRows. Throws UserError also for weights that are not finite. */
export async function readRows(
  files: WeightFiles,
  { desc, source }: GivenWeight,
  first: number,
  count: number,
): Promise<Uint8Array> {
  const bytes = await bytesOfRows(files, { desc, source }, first, count);
  if (!allFinite(desc.type, bytes)) throw weightsNotFinite(desc.name);
  return bytes;
}

/** The bytes of `count` rows from `first` on. The bytes of a weight in memory are a view, not a copy. */
async function bytesOfRows(
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

/** The weights of a backend by id, with the number of compiled programs that use each. */
export class WeightTable<Weight> {
  readonly #weights: Weight[] = []; // sparse: dropped weights leave holes
  readonly #users: number[] = [];
  readonly #forgotten = new Set<WeightId>(); // forgotten, but still used by programs
  readonly #drop: (weight: Weight, id: WeightId) => void;
  #compiled: Promise<unknown> = Promise.resolve(); // settles when no program is being compiled

  /** @param drop frees the memory of a forgotten weight that no program uses */
  constructor(drop: (weight: Weight, id: WeightId) => void) {
    this.#drop = drop;
  }

  /** Weights by id, including forgotten ones that a program still uses. */
  get all(): readonly Weight[] {
    return this.#weights;
  }

  add(weight: Weight): WeightId {
    this.#users.push(0);
    return this.#weights.push(weight) - 1;
  }

  /** Throws RangeError for a weight that was forgotten or never added. */
  get(id: WeightId): Weight {
    if (id in this.#weights && !this.#forgotten.has(id)) return this.#weights[id]!;
    throw new RangeError(`Weight ${id} was forgotten, or it was never added to this backend.`);
  }

  /**
   * Compiles a program after all earlier programs, so that it finds the weights that they loaded. Its weights are in use
   * until `compile` calls `release` or fails. Rejects with the RangeError of `get`.
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
