/**
 * Vectors of texts: the hidden states of a text's tokens, pooled to one vector, whose direction is its meaning. Encoders make
 * them as well as decoders, whose head is left out.
 */
import { logitsOf } from '../backends/results.ts';
import { UserError } from '../errors.ts';
import { configFromGguf } from './architectures/index.ts';
import { POOLING_TYPES } from './checkpoint/pooling.ts';
import { optionalNumber } from './gguf/metadata.ts';
import { type LoadOptions, loadModel, type Model } from './model.ts';
import { readModel } from './read-model.ts';

export const POOLINGS = ['mean', 'cls', 'last'] as const;
export type Pooling = (typeof POOLINGS)[number];

export interface EmbedOptions {
  readonly pooling?: Pooling; // default: the file's, else mean
  readonly normalize?: boolean; // to length 1; default true
  readonly truncate?: boolean; // cuts texts that are longer than the context; default: they are refused
}

export interface Embedding {
  readonly vector: Float32Array; // [C]
  readonly tokens: number;
}

/** Longest default context. A text is computed in one step, whose memory grows with it. */
const DEFAULT_CONTEXT = 2048;
/** Texts of one step, and positions that a short one may take of the cache. */
const TEXTS = 32;
const POSITIONS_OF_ONE = 256;
/** Tokens of a step that keeps all threads busy. */
const LEAST_STEP = 512;

export class Embedder {
  readonly model: Model;
  readonly pooling: Pooling;
  readonly #options: EmbedOptions;

  constructor(model: Model, options: EmbedOptions) {
    this.model = model;
    this.pooling = options.pooling ?? poolingOf(model);
    this.#options = options;
  }

  /** Loads a model without its head. Throws UserError as loadModel does, and for a model that ranks pairs. */
  static async load(path: string, options: LoadOptions & EmbedOptions = {}): Promise<Embedder> {
    const gguf = await readModel(path);
    const trained = configFromGguf(gguf).contextLength;
    const { contextLength = Math.min(trained, DEFAULT_CONTEXT) } = options;
    const maxTokens = Math.max(contextLength, LEAST_STEP);
    const limits = { contextLength, maxTokens, sequences: TEXTS };
    const positions = TEXTS * POSITIONS_OF_ONE + maxTokens;
    return new Embedder(
      await loadModel(gguf, { ...options, ...limits, positions, output: 'hidden' }),
      options,
    );
  }

  /** The vectors of texts, or of token ids, in their order. Throws UserError of kind context for a text that is too long. */
  async embed(
    texts: readonly (string | readonly number[])[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Embedding[]> {
    const prompts = texts.map((text) => this.#tokensOf(text));
    const vectors: Embedding[] = [];
    for (let from = 0; from < prompts.length; ) {
      const batch = this.#batchOf(prompts, from);
      signal?.throwIfAborted();
      vectors.push(...(await this.#step(batch)));
      from += batch.length;
    }
    return vectors;
  }

  #tokensOf(text: string | readonly number[]): readonly number[] {
    const { tokenizer, contextLength } = this.model;
    const ids = typeof text === 'string' ? tokenizer.encode(text, { addSpecial: true }) : [...text];
    if (ids.length === 0) ids.push(tokenizer.bosId ?? tokenizer.eosId ?? 0);
    if (ids.length <= contextLength) return ids;
    if (!this.#options.truncate) throw tooLong(ids.length, contextLength, this.model.trainedContext);
    const end = tokenizer.addEos && tokenizer.eosId !== undefined ? [tokenizer.eosId] : [];
    return [...ids.slice(0, contextLength - end.length), ...end];
  }

  /** As many texts as one step holds. */
  #batchOf(prompts: readonly (readonly number[])[], from: number): readonly (readonly number[])[] {
    let tokens = 0;
    let end = from;
    while (end < prompts.length && end - from < TEXTS) {
      tokens += prompts[end]!.length;
      if (tokens > this.model.maxTokens) break;
      end++;
    }
    return prompts.slice(from, end);
  }

  async #step(batch: readonly (readonly number[])[]): Promise<Embedding[]> {
    const rows = this.pooling === 'last' ? 'last' : 'all';
    const slices = batch.map((tokens, seq) => ({
      ...{ seq, pos: 0, tokens, want: { kind: 'logits', rows } as const },
    }));
    const results = await this.model.scheduler.together(slices);
    for (const { seq } of slices) this.model.scheduler.trim(seq, 0);
    return results.map((result, i) => {
      const tokens = batch[i]!.length;
      const vector = pooled(logitsOf(result), rows === 'last' ? 1 : tokens, this.pooling);
      return { tokens, vector: this.#options.normalize === false ? vector : normalized(vector) };
    });
  }
}

/** @param states [rows, C] @returns [C] */
function pooled(states: Float32Array, rows: number, pooling: Pooling): Float32Array {
  const C = states.length / rows;
  if (pooling === 'cls') return states.slice(0, C);
  if (pooling === 'last') return states.slice(-C);
  const sums = new Float64Array(C);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < C; c++) sums[c]! += states[row * C + c]!;
  }
  return Float32Array.from(sums, (sum) => sum / rows);
}

/** Of length 1, so that a dot product is the cosine. */
function normalized(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return length === 0 ? vector : vector.map((x) => x / length);
}

function poolingOf({ gguf, graph }: Model): Pooling {
  const type = optionalNumber(gguf.metadata, `${graph.architecture}.pooling_type`);
  const known = POOLINGS.find((name) => POOLING_TYPES[name] === type);
  if (known || !type) return known ?? 'mean';
  throw new UserError(
    `The model ranks pairs of texts (pooling_type ${type}); it makes no vectors of them.`,
    'Use an embedding model, or choose one of its states: --pooling mean.',
  );
}

function tooLong(tokens: number, context: number, trained: number): UserError {
  const longer = context < trained ? `a longer context (--ctx N, at most ${trained}), ` : '';
  return new UserError(
    `The text has ${tokens} tokens, more than the context of ${context}.`,
    `Use ${longer}a shorter text, or cut it: --truncate.`,
    { kind: 'context' },
  );
}
