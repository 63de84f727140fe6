/** Ctrl-R: incremental search through the history, the latest entry first. */
import { terminalText } from '../../terminal/terminal-text.ts';
import { columnsOf } from '../../terminal/text/width.ts';
import { truncate } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import { GUTTER } from './wrap.ts';

export interface Search {
  readonly query: string;
  readonly found: number | undefined; // index of the found entry
  readonly failed: boolean; // there is no match, or no further one
}

export const NEW_SEARCH: Search = { query: '', found: undefined, failed: false };

/** Searches the latest entry that contains `query`. */
export function searchFor(entries: readonly string[], query: string): Search {
  const found = query === '' ? -1 : entries.findLastIndex((entry) => indexIn(entry, query) >= 0);
  return { query, found: found < 0 ? undefined : found, failed: query !== '' && found < 0 };
}

/** Continues to the next older (-1) or newer (1) entry with another text. */
export function searchOn(entries: readonly string[], search: Search, step: -1 | 1): Search {
  const { query, found } = search;
  if (found === undefined) return search;
  for (let i = found + step; i >= 0 && i < entries.length; i += step) {
    if (entries[i] !== entries[found] && indexIn(entries[i]!, query) >= 0) {
      return { query, found: i, failed: false };
    }
  }
  return { ...search, failed: true };
}

interface LayoutOptions {
  readonly columns: number;
  readonly maxRows: number;
  readonly theme: Theme;
}

const LABEL = 'search history: ';

/** The query, and below it the found entry from the line of the match on. */
export function layoutSearch(
  { query, found, failed }: Search,
  entries: readonly string[],
  { columns, maxRows, theme }: LayoutOptions,
): { lines: readonly string[]; cursor: { x: number; y: number } } {
  const { ellipsis } = theme.glyphs;
  const note = failed ? (found === undefined ? '  not found' : '  no more') : '';
  const shown = truncate(query, Math.max(1, columns - 1 - LABEL.length - note.length), ellipsis);
  const lines = found === undefined ? [] : terminalText(entries[found]!).replaceAll('\t', ' ').split('\n');
  const first = Math.max(
    0,
    lines.findIndex((line) => indexIn(line, query) >= 0),
  );
  const rows = lines.slice(first, first + maxRows - 1).map((line) => {
    const start = indexIn(line, query);
    // A long line is cut at the left, so that the match is visible.
    const from = start > columns / 2 ? start - 10 : 0;
    const text = truncate(line.slice(from), columns - 1 - GUTTER, ellipsis);
    return ' '.repeat(GUTTER) + marked(text, query, theme);
  });
  return {
    lines: [theme.dim(LABEL) + shown + theme.warn(note), ...rows],
    cursor: { x: LABEL.length + columnsOf(shown), y: 0 },
  };
}

function marked(text: string, query: string, theme: Theme): string {
  const start = indexIn(text, query);
  if (start < 0) return text;
  const end = start + query.length;
  return text.slice(0, start) + theme.selected(text.slice(start, end)) + text.slice(end);
}

/** Case matters only if the query has upper case. */
function indexIn(text: string, query: string): number {
  return query === query.toLowerCase() ? text.toLowerCase().indexOf(query) : text.indexOf(query);
}
