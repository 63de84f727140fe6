/** Says once, on a terminal, that a better model than the small default one is a command away. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../backends/make-folder.ts';
import { directories } from '../core/directories.ts';
import { freeMemory } from '../core/free-memory.ts';
import { CATALOGUE, type CatalogueEntry } from '../core/models/catalogue.ts';
import type { Call } from './command.ts';
import { formatBytes } from './sizes.ts';

/** A download that a newcomer may want to wait for. */
const MOST_BYTES = 3e9;
/** Of the free memory: others need some. */
const SHARE = 0.5;

/** The line, at the very first start with the default model; undefined later, elsewhere, and where nothing can be noted. */
export function betterModelHint({
  settings,
  options,
}: Pick<Call, 'settings' | 'options'>): string | undefined {
  const isDefault = settings.get('model')?.origin === 'default';
  const onTerminal = process.stdout.isTTY && process.stderr.isTTY;
  if (!isDefault || !onTerminal || options.quiet) return undefined;
  const better = bestFor(freeMemory() ?? 0);
  if (!better || !isFirst()) return undefined;
  const { alias, bytes } = better;
  return `This model is small and quick. A better one (${formatBytes(bytes)}): percept chat -m ${alias}`;
}

/** The largest model for chats that leaves half of the memory free. */
export function bestFor(freeBytes: number): CatalogueEntry | undefined {
  const fitting = CATALOGUE.filter(
    ({ purpose, bytes }) => purpose === 'chat' && bytes <= Math.min(MOST_BYTES, SHARE * freeBytes),
  );
  const best = fitting.reduce((a, b) => (b.bytes > a.bytes ? b : a), CATALOGUE[0]!);
  return best === CATALOGUE[0] ? undefined : best;
}

/** Leaves a mark; false if it is there already, or cannot be left. */
function isFirst(): boolean {
  try {
    const { state } = directories();
    makeFolder(state, 0o700);
    closeSync(openSync(join(state, 'better-model-said'), 'wx', 0o600));
    return true;
  } catch {
    return false;
  }
}
