/**
 * node scripts/speed-table.ts [--check]
 *
 * Writes README's table of speeds from bench/results.jsonl: the newest row of each model, type, test and peer. With
 * --check nothing is written, and a table that is not up to date is an error.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Column, digits, percent, threadsInWords, toMarkdown } from '../bench/formats.ts';
import type { Circumstances } from '../bench/results.ts';
import type { SpeedRow } from '../bench/rows.ts';
import { labelOf } from '../bench/speed-test.ts';

export type SavedRow = Circumstances & SpeedRow;

const ROOT = resolve(import.meta.dirname, '..');
const BEGIN = '<!-- speed:begin -->';
const END = '<!-- speed:end -->';

const COLUMNS: readonly Column<SavedRow>[] = [
  { title: 'model', cell: ({ model }) => model },
  { title: 'processor', cell: ({ machine }) => machine.cpu },
  { title: 'backend', cell: ({ backend }) => backend },
  { title: 'threads', cell: ({ threads }) => threadsInWords(threads) },
  { title: 'date', cell: ({ date }) => date.slice(0, 10) },
  { title: 'type', cell: ({ type }) => type },
  { title: 'test', cell: ({ test, depth }) => labelOf(test, depth) },
  { title: 'tok/s', cell: ({ median }) => digits(median), right: true },
  { title: 'of the memory roof', cell: ({ memory_roof_share }) => percent(memory_roof_share), right: true },
  { title: 'peer', cell: ({ peer }) => (peer ? `beside ${peer.name}` : '') },
  { title: 'its tok/s', cell: ({ peer }) => (peer ? digits(peer.median) : ''), right: true },
  { title: 'ratio', cell: ({ ratio }) => ratio?.toFixed(2) ?? '', right: true },
];

/** The rows of models in the text of a results file; rows of kernels are passed over. */
export function savedRows(jsonl: string): SavedRow[] {
  const rows = jsonl
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SavedRow);
  return rows.filter(({ test }) => test !== undefined);
}

/** The newest row of each thing measured, ordered by type and test. */
export function newestRows(rows: readonly SavedRow[]): SavedRow[] {
  const nameOf = ({ model, type, backend, test, depth, peer }: SavedRow) =>
    [model, type, backend, test, depth, peer?.name].join('\0');
  const newest = new Map(
    rows.toSorted((a, b) => a.date.localeCompare(b.date)).map((row) => [nameOf(row), row]),
  );
  return [...newest.values()].toSorted((a, b) => nameOf(a).localeCompare(nameOf(b), 'en', { numeric: true }));
}

/** The Markdown between the marks; a sentence where nothing was measured yet. */
export function speedTable(rows: readonly SavedRow[]): string {
  return rows.length > 0 ? toMarkdown(COLUMNS, rows) : 'Nothing measured yet.\n';
}

/** `readme` with the table between its two marks. Throws where it has none. */
export function withTable(readme: string, table: string): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`Expected ${BEGIN} and, after it, ${END} in README.md.`);
  return `${readme.slice(0, begin + BEGIN.length)}\n${table}${readme.slice(end)}`;
}

function main(args: readonly string[]): void {
  const path = resolve(ROOT, 'README.md');
  const readme = readFileSync(path, 'utf8');
  const rows = newestRows(savedRows(readFileSync(resolve(ROOT, 'bench/results.jsonl'), 'utf8')));
  const updated = withTable(readme, speedTable(rows));
  if (!args.includes('--check')) writeFileSync(path, updated);
  else if (updated !== readme) {
    console.error("README's table of speeds is not that of bench/results.jsonl: node scripts/speed-table.ts");
    process.exitCode = 1;
  }
}

if (import.meta.main) main(process.argv.slice(2));
