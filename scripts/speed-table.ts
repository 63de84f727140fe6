/**
 * node scripts/speed-table.ts [--check]
 *
 * Writes README's table of speeds from bench/results.jsonl: the newest row of each model, type, test and peer. --check
 * writes nothing and fails if the table is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Column, digits, NONE, percent, threadsInWords, toMarkdown } from '../bench/formats.ts';
import { hardwareInWords } from '../bench/machine.ts';
import type { Circumstances } from '../bench/results.ts';
import type { SpeedRow } from '../bench/rows.ts';
import { isPrefill, labelOf } from '../bench/speed-test.ts';

export type SavedRow = Circumstances & SpeedRow;

const ROOT = resolve(import.meta.dirname, '..');
const BEGIN = '<!-- speed:begin -->';
const END = '<!-- speed:end -->';

const COLUMNS: readonly Column<SavedRow>[] = [
  { title: 'model', cell: ({ model }) => model },
  { title: 'backend', cell: ({ backend }) => backend },
  { title: 'threads', cell: ({ threads }) => threadsInWords(threads) },
  { title: 'type', cell: ({ type }) => type },
  { title: 'test', cell: ({ test, depth }) => labelOf(test, depth) },
  { title: 'tok/s', cell: ({ median }) => digits(median), right: true },
  { title: 'of the roof', cell: roofCell, right: true },
  { title: 'peer', cell: ({ peer }) => (peer ? `beside ${peer.name}` : '') },
  { title: 'its tok/s', cell: ({ peer }) => (peer ? digits(peer.median) : ''), right: true },
  { title: 'ratio', cell: ({ ratio }) => ratio?.toFixed(2) ?? '', right: true },
];

/** The rows of models in the text of a results file; rows of kernels are left out. */
export function savedRows(jsonl: string): SavedRow[] {
  const rows = jsonl
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SavedRow);
  return rows.filter(({ test }) => test !== undefined);
}

/** The newest row of each test, ordered by model, type and test. */
export function newestRows(rows: readonly SavedRow[]): SavedRow[] {
  const nameOf = ({ model, type, backend, test, depth, peer }: SavedRow) =>
    [model, type, backend, test, depth, peer?.name].join('\0');
  const newest = new Map(
    rows.toSorted((a, b) => a.date.localeCompare(b.date)).map((row) => [nameOf(row), row]),
  );
  return [...newest.values()].toSorted((a, b) => nameOf(a).localeCompare(nameOf(b), 'en', { numeric: true }));
}

/** The Markdown between the marks: machine, commit and date, then the table. */
export function speedTable(rows: readonly SavedRow[]): string {
  return rows.length > 0
    ? `${circumstances(rows)}\n\n${toMarkdown(COLUMNS, rows)}`
    : 'Nothing measured yet.\n';
}

/** Measured on 2026-11-23 at commit accc565: AMD EPYC, 2 cores, linux-x64. */
function circumstances(rows: readonly SavedRow[]): string {
  const all = (of: (row: SavedRow) => string) => [...new Set(rows.map(of))].toSorted().join(' and ');
  const dates = all(({ date }) => date.slice(0, 10));
  const commits = all(({ machine }) => machine.commit ?? 'unknown');
  return `Measured on ${dates} at commit ${commits}: ${all(({ machine }) => hardwareInWords(machine))}.`;
}

/** The share of the roof that limits the test. */
function roofCell({ test, memory_roof_share, multiply_roof_share }: SavedRow): string {
  const [share, roof] = isPrefill(test) ? [multiply_roof_share, 'multiply'] : [memory_roof_share, 'memory'];
  return share === null ? NONE : `${percent(share)} (${roof})`;
}

/** `readme` with the table between its two marks. Throws if they are missing. */
export function withTable(readme: string, table: string): string {
  const [begin, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`README.md has no ${BEGIN} with ${END} after it.`);
  return `${readme.slice(0, begin + BEGIN.length)}\n${table}${readme.slice(end)}`;
}

function main(args: readonly string[]): void {
  const path = resolve(ROOT, 'README.md');
  const readme = readFileSync(path, 'utf8');
  const rows = newestRows(savedRows(readFileSync(resolve(ROOT, 'bench/results.jsonl'), 'utf8')));
  const updated = withTable(readme, speedTable(rows));
  if (!args.includes('--check')) writeFileSync(path, updated);
  else if (updated !== readme) {
    console.error("README's table of speeds is out of date: node scripts/speed-table.ts");
    process.exitCode = 1;
  }
}

if (import.meta.main) main(process.argv.slice(2));
