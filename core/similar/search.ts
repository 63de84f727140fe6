/** Finds the places in texts that are nearest in meaning to a query. */
import { createHash } from 'node:crypto';
import type { Embedder } from '../embedding.ts';
import { type Chunk, chunksOf, linesOf } from './chunks.ts';
import type { IndexedFile, IndexFile } from './index-file.ts';

/** A text to search in. */
export interface Source {
  readonly path: string;
  /** Changes with the text; undefined: the text is not indexed, such as that of stdin. */
  readonly stamp: string | undefined;
  /** Undefined for what is no text. */
  read(): Promise<string | undefined>;
}

export interface Found {
  readonly path: string;
  readonly line: number; // the nearest one of the chunk
  readonly score: number; // cosine of the chunk and the query
  readonly text: string; // of the line
}

export interface SearchOptions {
  readonly lines?: boolean; // each line by itself
  readonly limit: number; // of results
  /** What the model was trained to find before queries and before texts. */
  readonly prefixes?: { readonly query: string; readonly document: string };
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

type Vectors = Map<string, Float32Array>; // by the hash of a text, in hex

/** Texts embedded between two writes. */
const AT_ONCE = 128;

/** Brings the index up to date, and drops files that are gone from it. Returns the chunks of sources that are not indexed. */
export async function update(
  index: IndexFile,
  embedder: Embedder,
  { sources, gone }: { sources: readonly Source[]; gone: readonly string[] },
  options: SearchOptions,
): Promise<{ path: string; chunk: Chunk; vector: Float32Array }[]> {
  const cut = options.lines ? linesOf : chunksOf;
  const missing = new Map<string, { hash: Uint8Array; text: string }>();
  const changed: IndexedFile[] = [];
  const passing: { path: string; chunk: Chunk; key: string }[] = [];
  for (const source of sources) {
    options.signal?.throwIfAborted();
    if (source.stamp !== undefined && index.stampOf(source.path) === source.stamp) continue;
    const chunks = cut((await source.read()) ?? '').map((chunk) => ({ ...chunk, ...hashOf(chunk.text) }));
    for (const { hash, key, text } of chunks) {
      if (!missing.has(key) && (source.stamp === undefined || !index.has(hash)))
        missing.set(key, { hash, text });
    }
    if (source.stamp !== undefined) changed.push({ path: source.path, stamp: source.stamp, chunks });
    else passing.push(...chunks.map((chunk) => ({ path: source.path, chunk, key: chunk.key })));
  }
  const keep = changed.length > 0;
  const vectors = await embedAll([...missing], embedder, options, keep ? index : undefined);
  if (keep || gone.length > 0) {
    index.replace(changed, gone, (hash) => vectors.get(Buffer.from(hash).toString('hex')));
  }
  return passing.map(({ path, chunk, key }) => ({ path, chunk, vector: vectors.get(key)! }));
}

/** @param index keeps the vectors at once, so that an interrupted run has not worked in vain */
async function embedAll(
  missing: readonly (readonly [key: string, { hash: Uint8Array; text: string }])[],
  embedder: Embedder,
  { signal, onProgress, prefixes }: SearchOptions,
  index: IndexFile | undefined,
): Promise<Vectors> {
  const vectors: Vectors = new Map();
  for (let from = 0; from < missing.length; from += AT_ONCE) {
    onProgress?.(from, missing.length);
    const some = missing.slice(from, from + AT_ONCE);
    const texts = some.map(([, { text }]) => (prefixes?.document ?? '') + text);
    const found = await embedder.embed(texts, { signal });
    for (const [i, [key]] of some.entries()) vectors.set(key, found[i]!.vector);
    index?.add(some.map(([key, { hash }]) => [hash, vectors.get(key)!] as const));
  }
  if (missing.length > 0) onProgress?.(missing.length, missing.length);
  return vectors;
}

/** The places nearest to the query, in a text's own words: of a chunk the line that is nearest. */
export async function nearest(
  query: string,
  index: IndexFile,
  embedder: Embedder,
  { sources, passing }: { sources: readonly Source[]; passing: Awaited<ReturnType<typeof update>> },
  { limit, lines, signal, prefixes }: SearchOptions,
): Promise<Found[]> {
  const [asked] = await embedder.embed([(prefixes?.query ?? '') + query], { signal });
  const scores: { path: string; number: number; chunk?: Chunk; score: number }[] = [];
  const indexed = new Set(sources.flatMap(({ path, stamp }) => (stamp === undefined ? [] : [path])));
  for (const { path, number, vector } of index.chunksIn(indexed))
    scores.push({ path, number, score: dot(asked!.vector, vector) });
  for (const [number, { path, chunk, vector }] of passing.entries())
    scores.push({ path, number, chunk, score: dot(asked!.vector, vector) });
  const best = scores.sort((a, b) => b.score - a.score).slice(0, limit);
  const texts = new Map<string, Chunk[]>();
  const found: Found[] = [];
  for (const { path, number, score, chunk: known } of best) {
    const source = sources.find((each) => each.path === path)!;
    if (!known && !texts.has(path))
      texts.set(path, (lines ? linesOf : chunksOf)((await source.read()) ?? ''));
    const chunk = known ?? texts.get(path)?.[number];
    if (chunk)
      found.push({ path, score, ...(await nearestLine(chunk, asked!.vector, embedder, prefixes?.document)) });
  }
  return found;
}

async function nearestLine(
  { line: first, text }: Chunk,
  asked: Float32Array,
  embedder: Embedder,
  prefix = '',
): Promise<{ line: number; text: string }> {
  const lines = text.split('\n').map((text, i) => ({ line: first + i, text }));
  const some = lines.filter((each) => each.text.trim() !== '');
  if (some.length <= 1) return some[0] ?? lines[0]!;
  const vectors = await embedder.embed(some.map((each) => prefix + each.text));
  const scores = vectors.map(({ vector }) => dot(asked, vector));
  return some[scores.indexOf(Math.max(...scores))]!;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function hashOf(text: string): { hash: Uint8Array; key: string } {
  const hash = createHash('sha256').update(text).digest();
  return { hash, key: hash.toString('hex') };
}
