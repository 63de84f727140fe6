/**
 * node scripts/support-table.ts
 *
 * Writes the table of kernels/README.md. For each op and type of weight it has the backends that support it (by their
 * own `supports`), the cases and tolerance of the conformance suite, the gradients that can be judged, and the backends
 * that compute its backward. A backend that cannot start here keeps its column. WebGPU runs on the software adapter of
 * the tests.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../backends/backend.ts';
import { BACKEND_NAMES, selectBackend } from '../backends/select.ts';
import { CHECKED_CASES, type CheckedCase } from '../bench/conformance/cases.ts';
import {
  canBeJudged,
  cotangentOf,
  type Differentiates,
  gradientsOf,
  pointOf,
} from '../bench/conformance/gradients.ts';
import { type OpCase, supportsCase } from '../bench/conformance/op-case.ts';
import { toMarkdown } from '../bench/formats.ts';
import { QUANT_FORMATS, type TensorType } from '../kernels/quant-formats.ts';
import { softwareAdapters } from '../tests/software-adapter.ts';

export const TABLE_FILE = resolve(import.meta.dirname, '../kernels/README.md');
const BEGIN = '<!-- support:begin -->';
const END = '<!-- support:end -->';
/** Title of the column of backends that compute the backward. */
const BACKWARD = 'backward';
const NOBODY = 'none';

interface Line {
  readonly op: OpCase['op'];
  readonly type?: TensorType;
}

/** Ops in the order of the table of cases. An op on matrices has a line for each type of weight. */
function lines(): Line[] {
  const types = Object.keys(QUANT_FORMATS) as TensorType[];
  return [...new Set(CHECKED_CASES.map(({ op }) => op))].flatMap((op): Line[] => {
    const known = types.filter((type) => CHECKED_CASES.some((each) => each.op === op && each.type === type));
    return known.length > 0 ? known.map((type) => ({ op, type })) : [{ op }];
  });
}

function casesOf({ op, type }: Line): CheckedCase[] {
  return CHECKED_CASES.filter((each) => each.op === op && each.type === type);
}

/** A column: the cell of each line. */
export type Column = readonly string[];

export function columnOf(backend: Pick<Backend, 'supports'>): Column {
  return lines().map((line) => {
    return casesOf(line).every((each) => supportsCase(backend, each) === true) ? 'yes' : '';
  });
}

/** For each line, whether the backend computes the backward of all its cases. */
export function backwardOf(backend: Differentiates): readonly boolean[] {
  return lines().map((line) => {
    return casesOf(line).every(({ examples }) =>
      examples.every(({ op, types, state }) => backend.backward?.(op, types, state) === true),
    );
  });
}

/** Most numbers of a small case. Its finite differences take milliseconds. */
const SMALL = 30_000;

const judged = new Map<string, string>(); // seconds of finite differences, which do not change

/** The operands and weights whose gradients can be judged in all small cases in which they occur. */
function judgedGradients(line: Line): string {
  const key = `${line.op} ${line.type}`;
  const names = judged.get(key) ?? findJudged(line);
  judged.set(key, names);
  return names;
}

function findJudged(line: Line): string {
  const small = casesOf(line).filter(({ check }) => {
    return check.weights.reduce((sum, { desc }) => sum + desc.rows * desc.cols, 0) <= SMALL;
  });
  const points = small.flatMap((each) => pointOf(each) ?? []);
  const gradients = points.flatMap((point) => [...gradientsOf(point, cotangentOf(point))]);
  const refused = new Set(gradients.flatMap(([name, gradient]) => (canBeJudged(gradient) ? [] : name)));
  return [...new Set(gradients.map(([name]) => name))].filter((name) => !refused.has(name)).join(', ');
}

/** The Markdown between the marks. */
export function supportTable(columns: ReadonlyMap<string, Column>): string {
  const rows = lines().map((line, i) => ({ ...line, i }));
  const backends = BACKEND_NAMES.map((title) => {
    const column = columns.get(title) ?? [];
    const cell = ({ i }: { i: number }) => column[i] ?? '';
    return { title, cell, right: true as const }; // a left-aligned column of equal cells would be moved above the table
  });
  return toMarkdown<(typeof rows)[number]>(
    [
      { title: 'op', cell: ({ op }) => op },
      { title: 'weights', cell: ({ type }) => type ?? '' },
      ...backends,
      { title: 'cases', cell: (line) => `${casesOf(line).length}`, right: true },
      { title: 'NMSE at most', cell: (line) => errorsOf(casesOf(line)), right: true },
      { title: 'gradients judged', cell: judgedGradients },
      { title: BACKWARD, cell: ({ i }) => columns.get(BACKWARD)?.[i] ?? NOBODY, right: true },
    ],
    rows,
  );
}

function errorsOf(cases: typeof CHECKED_CASES): string {
  const errors = new Set(cases.map(({ check }) => check.tolerance.nmse));
  return [...errors]
    .sort((a, b) => a - b)
    .map((nmse) => nmse.toExponential())
    .join(', ');
}

/** For each line of a table with these columns, whether it lists `backend` under backward. */
export function backwardIn(columns: ReadonlyMap<string, Column>, backend: string): readonly boolean[] {
  return lines().map((_, i) => (columns.get(BACKWARD)?.[i] ?? NOBODY).split(', ').includes(backend));
}

/** The columns that the table in `markdown` has now. */
export function columnsIn(markdown: string): ReadonlyMap<string, Column> {
  const table = markdown.slice(markdown.indexOf(BEGIN), markdown.indexOf(END)).split('\n');
  const [header, , ...rows] = table
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const names = [...BACKEND_NAMES, BACKWARD].filter((name) => header?.includes(name));
  return new Map(names.map((name) => [name, rows.map((row) => row[header!.indexOf(name)]!)]));
}

export function withTable(markdown: string, table: string): string {
  const [begin, end] = [markdown.indexOf(BEGIN), markdown.indexOf(END)];
  return `${markdown.slice(0, begin + BEGIN.length)}\n${table}${markdown.slice(end)}`;
}

async function main(): Promise<void> {
  const markdown = readFileSync(TABLE_FILE, 'utf8');
  const known = columnsIn(markdown);
  const columns = new Map<string, Column>();
  const backward = new Map<string, readonly boolean[]>();
  for (const name of BACKEND_NAMES) {
    try {
      const backend = await selectBackend(name, { threads: 1 });
      columns.set(name, columnOf(backend));
      backward.set(name, backwardOf(backend as Differentiates));
      await backend.dispose();
    } catch (error) {
      console.error(`${name} keeps its column: ${error instanceof Error ? error.message : error}`);
      columns.set(name, known.get(name) ?? []);
      backward.set(name, backwardIn(known, name));
    }
  }
  const computes = lines().map((_, i) => BACKEND_NAMES.filter((name) => backward.get(name)?.[i]));
  columns.set(
    BACKWARD,
    computes.map((names) => names.join(', ') || NOBODY),
  );
  writeFileSync(TABLE_FILE, withTable(markdown, supportTable(columns)));
}

/** Starts this script again with the software adapter: the linker reads only the initial environment. */
function withSoftwareAdapter(): void {
  const [adapter] = softwareAdapters();
  const env = { ...process.env, ...adapter!.environment, PERCEPT_SUPPORT_TABLE: 'here' };
  const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url)], { env, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

if (import.meta.main) {
  if (process.env.PERCEPT_SUPPORT_TABLE) await main();
  else withSoftwareAdapter();
}
