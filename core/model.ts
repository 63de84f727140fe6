import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Backend, Executable, KvType, Limits, MemoryUse } from '../backends/backend.ts';
import { isRecurrent } from '../backends/ops.ts';
import type { BackendOptions } from '../backends/select.ts';
import { rangesOf } from '../backends/weight-source.ts';
import { UserError } from '../errors.ts';
import { QUANT_FORMATS } from '../kernels/quant-formats.ts';
import type { GraphTensor } from './architectures/graph-tensors.ts';
import { graphFromGguf, type ModelConfig, type ModelGraph } from './architectures/index.ts';
import { directories } from './directories.ts';
import { type Engine, type Note, startEngine } from './engine.ts';
import { freeMemory } from './free-memory.ts';
import type { Gguf } from './gguf/index.ts';
import { optionalString } from './gguf/metadata.ts';
import { type LoadProgress, whileTelling } from './load-progress.ts';
import { forContext, originalContext } from './long-rope.ts';
import { modelDefaults } from './model-defaults.ts';
import type { ModelDefaults } from './models/catalogue.ts';
import { boundMemory, estimateMemory, programOn, weightBytesOf } from './program.ts';
import { quantizedOnLoad } from './quantize/on-load.ts';
import { readModel } from './read-model.ts';
import { Scheduler } from './scheduler.ts';
import { tokenizerFromGguf } from './tokenizer/index.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

export interface LoadOptions {
  /** 'auto' (default: the fastest here, and cpu if its device fails), a name, or a function that starts your own. */
  readonly backend?: string | ((options: BackendOptions) => Promise<Backend>);
  readonly threads?: number; // default: cores this process may use
  readonly contextLength?: number; // positions a sequence; default: the model's own, at most 8192
  /** Default 1. A function gets the memory that one sequence uses. */
  readonly sequences?: number | ((one: MemoryUse) => number);
  readonly kvType?: KvType | 'auto'; // of the KV cache; auto: q8 beside quantized weights, else f32
  readonly maxTokens?: number; // most tokens in one step; default: the context, at most 512
  readonly memoryCheck?: boolean; // refuses a model that does not fit in free memory; default true
  /** Type of the float matrices in memory (quantize/on-load.ts); default: as the file has them. */
  readonly quantize?: string;
  /** Name of the pre-tokenizer (core/tokenizer/pre-tokenizers.ts) in place of the file's own. */
  readonly pre?: string;
  /** Adapters, each FILE or FILE=FACTOR (core/lora). */
  readonly lora?: readonly string[];
  readonly attention?: boolean; // reserves memory for attentionOf; default false
  /** What the program ends with: logits (default), or the hidden states that a head would read. */
  readonly output?: 'logits' | 'hidden';
  readonly positions?: number; // of all sequences together; default: each has its whole context
  /** Folder for cached facts about this machine; default: percept's own. */
  readonly cacheDirectory?: string;
  /** Gets messages for the user, such as the measurements of `auto` and the replacement of a lost backend. */
  readonly onNote?: (note: Note) => void;
  /** Gets the progress of loading, and again if another backend takes over later. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** A model ready to run: weights with the backend, program compiled. */
export interface Model {
  readonly path: string;
  readonly name: string; // general.name, or the file's base name
  readonly gguf: Gguf;
  readonly graph: ModelGraph;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly backend: Backend;
  readonly executable: Executable;
  readonly scheduler: Scheduler; // the only caller of executable.submit
  readonly contextLength: number;
  readonly trainedContext: number; // the longest context that can be asked for
  readonly defaults: ModelDefaults;
  /** Names the states that its sequences save: those of one key fit. Undefined on devices, whose states are not stored. */
  readonly stateKey: string | undefined;
  readonly identity: string; // changes when one of its files does
  readonly sequences: number;
  readonly maxTokens: number;
  readonly recurrent: boolean; // a sequence can continue or restart, but cannot drop its last tokens
  readonly kvType: KvType; // requested type of the KV cache; the reference stores it exactly
  readonly loadMs: number;
  /** Ends after the running step; safe to call again. Later work on the model rejects with UserError. */
  dispose(): Promise<void>;
}

/** Longest default context: the KV cache of a 128k context would be larger than many models. */
export const DEFAULT_CONTEXT = 8192;
const DEFAULT_MAX_TOKENS = 512;

/**
 * Loads a model onto a backend: that of a path, or one that is read already. Every size is checked before weights are read or memory is reserved.
 *
 * Throws UserError for a file that is damaged or not supported, a context beyond the trained one, a backend
 * that cannot run here, and a model that does not fit in memory (kind memory).
 */
export async function loadModel(file: string | URL | Gguf, options: LoadOptions = {}): Promise<Model> {
  const started = performance.now();
  const { onProgress = () => {} } = options;
  if (options.threads !== undefined) checkCount(options.threads, 'at least 1 thread');
  onProgress({ stage: 'header' });
  const read = typeof file === 'string' || file instanceof URL ? await readModel(file) : file;
  const fitting = forContext(read, options.contextLength);
  const gguf = options.quantize === undefined ? fitting : quantizedOnLoad(fitting, options.quantize);
  const { path } = gguf;
  const hidden = options.output === 'hidden';
  const { lora = [] } = options;
  const adapters =
    lora.length === 0 ? [] : await (await import('./lora/adapter.ts')).readAdapters(lora, read);
  const graph = graphFromGguf(gguf, { wanted: hidden ? 'hidden' : 'output', adapters });
  if (!hidden && !graph.hasHead) throw isEncoder(graph.architecture);
  const files = [
    fileFacts([path, ...graph.tensors.flatMap((tensor) => filesOf(tensor, path))]),
    ...adapters.map(({ factor }) => factor),
    ...(fitting === read ? [] : ['factors of a long context']),
  ].join('\n');
  const { config } = graph;
  const limits = loadLimits(gguf, graph, options);
  if (options.memoryCheck ?? true) requireMemory(graph, limits);
  const name = optionalString(gguf.metadata, 'general.name') || basename(path, '.gguf');

  const { contextLength, sequences, maxTokens, kvType } = limits;
  const bytes = weightBytesOf(graph);
  const reading = Promise.withResolvers<void>();
  const compile = async (backend: Backend) => {
    const source = ({ part, offset, cols, constant, source }: GraphTensor) =>
      constant === undefined
        ? (source ?? { path: part ?? path, offset })
        : { bytes: floatBytes(constant, cols) };
    const program = programOn(backend, graph, { name, limits, source });
    const compiled = whileTelling({ backend, weightBytes: bytes }, onProgress, () =>
      backend.compile(program),
    );
    setImmediate(reading.resolve); // backends start to read before their first await
    return compiled;
  };
  const { backend = 'auto', threads, cacheDirectory = directories().cache, onNote = () => {} } = options;
  const warn = (text: string) => onNote({ text, detail: false });
  const defaults = modelDefaults(gguf, warn);
  onProgress({ stage: 'backend' });
  const starting = startEngine(
    { name, weightBytes: bytes, sequences, contextLength, maxTokens, compile },
    { backend, threads, cacheDirectory, onNote },
  );
  // The backend reads weights while the vocabulary is built.
  const tokenizing = Promise.race([reading.promise, starting]).then(() =>
    tokenizerFromGguf(gguf, warn, options.pre),
  );
  const [engine, tokenizer] = await bothOrNeither(starting, tokenizing);
  const { executable } = engine;
  const loadMs = performance.now() - started;
  const scheduler = new Scheduler(executable, maxTokens);
  let disposed: Promise<void> | undefined;
  return {
    ...{ path, name, gguf, graph, config, tokenizer, executable, scheduler },
    ...{ contextLength, sequences, maxTokens, kvType, loadMs, recurrent: isRecurrent(graph) },
    ...{ trainedContext: config.contextLength, defaults },
    identity: files,
    stateKey: engine.backend.name === 'cpu' ? `${kvType} ${files}` : undefined,
    get backend() {
      return engine.backend;
    },
    dispose: () => (disposed ??= scheduler.close().then(() => engine.dispose())),
  };
}

function floatBytes(value: number, count: number): Uint8Array {
  return new Uint8Array(new Float32Array(count).fill(value).buffer);
}

/** Awaits both. If one fails, disposes of an engine that has started. */
async function bothOrNeither<T>(starting: Promise<Engine>, other: Promise<T>): Promise<[Engine, T]> {
  try {
    return await Promise.all([starting, other]);
  } catch (error) {
    await starting.then((engine) => engine.dispose()).catch(() => {});
    throw error;
  }
}

/** The files that a tensor lies in. */
function filesOf({ name, part, source, constant }: GraphTensor, path: string): string[] {
  if (constant !== undefined) return [];
  if (!source) return [part ?? path];
  return Array.from(rangesOf(source, name), ({ at }) => ('path' in at ? [at.path] : [])).flat();
}

/** Changes when one of the files is replaced or written to, also by as many bytes. */
function fileFacts(paths: readonly string[]): string {
  const facts = [...new Set(paths)].map((path) => {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [path, dev, ino, size, mtimeNs, ctimeNs].join(' ');
  });
  return facts.join('\n');
}

export type ModelLimits = Limits & Required<Pick<Limits, 'kvType'>>;
export type LimitOptions = Omit<LoadOptions, 'sequences'> & { readonly sequences?: number };

function loadLimits(gguf: Gguf, graph: ModelGraph, options: LoadOptions): ModelLimits {
  const { sequences } = options;
  if (typeof sequences !== 'function') return modelLimits(gguf, graph.config, { ...options, sequences });
  const one = estimateMemory(graph, modelLimits(gguf, graph.config, { ...options, sequences: 1 }));
  return modelLimits(gguf, graph.config, { ...options, sequences: sequences(one) });
}

/**
 * The limits that loadModel uses: the options, completed with defaults. Throws UserError of kind usage for a context
 * beyond the trained one, and for counts that are not positive integers.
 */
export function modelLimits(gguf: Gguf, config: ModelConfig, options: LimitOptions = {}): ModelLimits {
  const trained = config.contextLength;
  const usual = Math.min(trained, DEFAULT_CONTEXT, originalContext(gguf) ?? DEFAULT_CONTEXT);
  const { contextLength = usual, sequences = 1 } = options;
  const { maxTokens = Math.min(contextLength * sequences, DEFAULT_MAX_TOKENS) } = options;
  checkCount(contextLength, `a context of 1 to ${trained} tokens, as trained`, trained);
  checkCount(sequences, 'at least 1 sequence');
  checkCount(maxTokens, 'at least 1 token in a step');
  const { attention, positions } = options;
  return {
    contextLength,
    sequences,
    maxTokens,
    kvType: kvTypeOf(gguf, options.kvType),
    attention,
    positions,
  };
}

function isEncoder(architecture: string): UserError {
  return new UserError(
    `The model is an encoder (${architecture}): it makes vectors of texts, and writes none.`,
    'Use it with `percept embed` or `percept similar`, or choose another model.',
    { kind: 'usage' },
  );
}

/** Estimates only what does not fit by far. */
function requireMemory(graph: ModelGraph, limits: ModelLimits): void {
  const free = freeMemory();
  const { weights, kv, arena } = boundMemory(graph, limits);
  if (free !== undefined && weights + kv + arena > free) checkMemory(estimateMemory(graph, limits), free);
}

/** Throws UserError of kind memory unless `use` fits in `available` bytes, or that is unknown. */
export function checkMemory({ weights, kv, arena }: MemoryUse, available: number | undefined): void {
  const needed = weights + kv + arena;
  if (available === undefined || needed <= available) return;
  throw new UserError(
    `The model needs ${megabytes(needed)} of free memory (weights ${megabytes(weights)}, context ${megabytes(kv)}, ` +
      `activations ${megabytes(arena)}), but ${megabytes(available)} are free.`,
    'Use a shorter context (--ctx N), a smaller model or a smaller quantization; --no-memory-check loads it all the same.',
    { kind: 'memory' },
  );
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}

function checkCount(count: number, expected: string, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isInteger(count) && count >= 1 && count <= most) return;
  throw new UserError(`Expected ${expected}, got ${count}.`, 'Change the number or leave it out.', {
    kind: 'usage',
  });
}

const KV_TYPES: readonly (KvType | 'auto')[] = ['auto', 'f32', 'f16', 'q8'];

/**
 * Type of a cache about as precise as the weights that make keys and values: with float ones, a rounded cache would be the
 * largest error, also beside experts of 4 bits (GPT-OSS).
 */
function kvTypeOf({ tensors }: Gguf, wanted: KvType | 'auto' = 'auto'): KvType {
  if (!KV_TYPES.includes(wanted)) {
    throw new UserError(
      `Expected the type of the KV cache to be one of ${KV_TYPES.join(', ')}, got ${wanted}.`,
      'Use one of these names.',
      { kind: 'usage' },
    );
  }
  if (wanted !== 'auto') return wanted;
  const attention = [...tensors.values()].filter(({ name }) => name.includes('.attn_'));
  return attention.every(({ type }) => QUANT_FORMATS[type].elements === 1) ? 'f32' : 'q8';
}
