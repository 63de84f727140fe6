/** Searches files by meaning: percept similar QUERY FILE.. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { directories } from '../../core/directories.ts';
import type { Embedder } from '../../core/embedding.ts';
import { entryOf } from '../../core/model-defaults.ts';
import { IndexFile } from '../../core/similar/index-file.ts';
import { type Found, nearest, type SearchOptions, type Source, update } from '../../core/similar/search.ts';
import { UserError } from '../../errors.ts';
import { readBytes } from '../attachments/file-bytes.ts';
import { filesIn } from '../attachments/folder-files.ts';
import { locationOf } from '../attachments/named-file.ts';
import type { Call } from '../command.ts';
import { decodedText } from '../decode-text.ts';
import { readStdin } from '../input.ts';
import { ProgressDisplay } from '../progress/progress.ts';
import { embedderOf, loadEmbedder } from './embed.ts';

const DEFAULT_LIMIT = 10;
/** Larger files are data, not texts to read. */
const MOST_BYTES = 16 * 2 ** 20;

/** The texts to search in, and the files of the index that are there no longer. */
interface Places {
  readonly sources: Source[];
  readonly folders: { readonly location: string; readonly name: string }[];
  readonly names: Map<string, string>; // as the user named files, by their absolute paths
}

export async function similar(call: Call): Promise<void> {
  const { operands, options } = call;
  const [query = '', ...paths] = operands;
  if (query.trim() === '') {
    throw new UserError('There is nothing to search for.', 'Run: percept similar "what you mean" docs src', {
      kind: 'usage',
    });
  }
  const places = await placesOf(paths.length > 0 ? paths : ['.']);
  const embedder = await loadEmbedder(embedderOf(call), { ...options, truncate: true }, call);
  try {
    const found = await call.abortable((signal) => search(call, query, { embedder, places, signal }));
    await print(call, found, places);
  } finally {
    await embedder.model.dispose();
  }
}

async function search(
  { options, output }: Call,
  query: string,
  { embedder, places, signal }: { embedder: Embedder; places: Places; signal: AbortSignal },
): Promise<Found[]> {
  const display = new ProgressDisplay(output, { onlyIfSlow: true });
  const { sources, folders } = places;
  const how: SearchOptions = {
    ...{ lines: options.lines, limit: options.limit ?? DEFAULT_LIMIT, signal },
    prefixes: entryOf({ path: embedder.model.path, bytes: embedder.model.gguf.fileBytes })?.prefixes,
    onProgress: (done, total) => display.show({ activity: 'indexing', unit: 'texts', done, total }),
  };
  const index = new IndexFile(indexPath(embedder), options.lines ? 'lines' : 'chunks');
  try {
    const there = new Set(sources.map(({ path }) => path));
    const known = folders.flatMap(({ location }) => index.pathsIn(location));
    const gone = known.filter((path) => !there.has(path));
    const passing = await display.during(() => update(index, embedder, { sources, gone }, how));
    return await nearest(query, index, embedder, { sources, passing }, how);
  } finally {
    index.close();
  }
}

/** An index of its own for each model, pooling and length. */
function indexPath({ model, pooling }: Embedder): string {
  const facts = [model.identity, pooling, model.contextLength].join('\n');
  const name = createHash('sha256').update(facts).digest('hex').slice(0, 24);
  return join(directories().cache, 'similar', `${name}.db`);
}

async function print({ options, output }: Call, found: readonly Found[], { names }: Places): Promise<void> {
  const shown = found.map((each) => ({ ...each, path: names.get(each.path) ?? each.path }));
  if (options.json) return output.json({ results: shown });
  for (const { path, line, score, text } of shown) {
    if (options.jsonl) await output.json({ path, line, score, text });
    else {
      const note = output.interactive ? output.style.faint(` (${score.toFixed(2)})`) : '';
      await output.print(`${path}:${line}:${text.trim()}${note}\n`);
    }
  }
}

// ----- files

async function placesOf(paths: readonly string[]): Promise<Places> {
  const places: Places = { sources: [], folders: [], names: new Map() };
  for (const path of paths) {
    if (path === '-') places.sources.push(stdinSource());
    else await addPath(path, places);
  }
  if (places.sources.length > 0) return places;
  throw new UserError(`There are no files in ${paths.join(', ')}.`, 'Name files or folders with text.', {
    kind: 'usage',
  });
}

async function addPath(path: string, places: Places): Promise<void> {
  const location = locationOf(path, process.cwd());
  const stats = await stat(location).catch((cause) => {
    throw new UserError(`Reading ${path} failed: ${cause.message}.`, 'Check the path.', {
      kind: 'usage',
      cause,
    });
  });
  if (!stats.isDirectory()) return addFile(location, path, places);
  places.folders.push({ location, name: path });
  const { files } = await filesIn(location, { name: path });
  for (const file of files)
    await addFile(file.location, path === '.' ? file.path : join(path, file.path), places);
}

async function addFile(location: string, name: string, { names, sources }: Places): Promise<void> {
  const stats = await stat(location, { bigint: true }).catch(() => undefined);
  if (!stats?.isFile() || names.has(location)) return;
  names.set(location, name);
  const stamp = [stats.size, stats.mtimeNs, stats.ino].join(' ');
  sources.push({ path: location, stamp, read: () => textOf(location) });
}

/** Undefined for a file that is no text, or that nobody may read. */
async function textOf(location: string): Promise<string | undefined> {
  const bytes = await readBytes(location, MOST_BYTES + 1).catch(() => undefined);
  return bytes && bytes.length <= MOST_BYTES ? decodedText(bytes) : undefined;
}

function stdinSource(): Source {
  let text: Promise<string> | undefined;
  return { path: '-', stamp: undefined, read: () => (text ??= readStdin()) };
}
