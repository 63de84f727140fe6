/** Rows as csv, SQL and Markdown. */

/** A row for databases and spreadsheets. */
export type FlatRow = Readonly<Record<string, string | number | null>>;

/** A header, then a line per row. Text is quoted, null is empty. The columns are those of the first row. */
export function toCsv(rows: readonly FlatRow[]): string {
  const names = columnsOf(rows);
  const quoted = (value: FlatRow[string]) =>
    typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : `${value ?? ''}`;
  return lines([names.join(','), ...rows.map((row) => names.map((name) => quoted(row[name]!)).join(','))]);
}

/** Creates the table if it is missing, then inserts every row. */
export function toSql(table: string, rows: readonly FlatRow[]): string {
  const names = columnsOf(rows);
  const literal = (value: FlatRow[string]) =>
    typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : `${value ?? 'NULL'}`;
  const type = (name: string) => (rows.some((row) => typeof row[name] === 'string') ? 'TEXT' : 'REAL');
  const columns = names.map((name) => `  ${name} ${type(name)}`).join(',\n');
  const inserts = rows.map((row) => {
    const values = names.map((name) => literal(row[name]!)).join(', ');
    return `INSERT INTO ${table} (${names.join(', ')}) VALUES (${values});`;
  });
  return lines([`CREATE TABLE IF NOT EXISTS ${table} (\n${columns}\n);`, ...inserts]);
}

/** A column of a Markdown table; numbers are right aligned. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly right?: true;
  /** Where the table is too wide, columns with a number are left out, those with a high one first. */
  readonly spare?: number;
}

/** Rows in words. */
export interface Table {
  /** Texts of columns with one text in all rows, shown above the table. */
  readonly common: readonly string[];
  readonly columns: readonly {
    readonly title: string;
    readonly cells: readonly string[];
    readonly right?: true;
  }[];
}

/** Text of a cell without a value. */
export const NONE = '-';

/** A column with one text in all rows is common, unless it holds numbers. A column without any value is left out. */
export function tabulate<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Table {
  const filled = columns
    .map(({ title, cell, right }) => ({ title, right, cells: rows.map(cell) }))
    .filter(({ cells }) => cells.some((cell) => cell !== '' && cell !== NONE));
  const isCommon = ({ cells, right }: (typeof filled)[number]) => !right && new Set(cells).size === 1;
  return {
    common: filled.filter(isCommon).map(({ cells }) => cells[0]!),
    columns: filled.filter((column) => !isCommon(column)),
  };
}

/** A table, padded to be readable as plain text. @param width of a terminal, in columns */
export function toMarkdown<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
): string {
  const { common, columns: filled } = tabulate(columns, rows);
  const table = filled.map(columnLines);
  const tableLines = (table[0] ?? []).map((_, i) => `| ${table.map((column) => column[i]).join(' | ')} |`);
  if (tableLines.some((line) => line.length > width)) {
    const spare = Math.max(...columns.map((column) => column.spare ?? 0));
    const fewer = columns.filter((column) => (column.spare ?? 0) < spare);
    if (fewer.length > 0) return toMarkdown(fewer, rows, width);
  }
  return lines(common.length > 0 ? [common.join(', '), '', ...tableLines] : tableLines);
}

/** Title, rule and cells, all as wide as the widest of them. */
function columnLines({ title, cells, right }: Table['columns'][number]): string[] {
  const width = Math.max(3, title.length, ...cells.map((cell) => cell.length));
  const pad = (text: string) => (right ? text.padStart(width) : text.padEnd(width));
  const rule = right ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width);
  return [pad(title), rule, ...cells.map(pad)];
}

function columnsOf(rows: readonly FlatRow[]): string[] {
  return Object.keys(rows[0] ?? {});
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}

/** Empty for 0 threads: a device computes. */
export function threadsInWords(threads: number): string {
  if (threads === 0) return '';
  return threads === 1 ? '1 thread' : `${threads} threads`;
}

/** The meaning of the columns of shares. */
export const ROOF_LEGEND = "memory, multiply: share of this machine's limits (roofs).";

/** 34 %; empty for null. */
export function percent(share: number | null): string {
  return share === null ? '' : `${(100 * share).toFixed(0)} %`;
}

/** 812 ± 12: the spread with as many decimals as the value; a single sample has none. */
export function withSpread(value: number, spread: number, samples: number, sign = ' ± '): string {
  const text = digits(value);
  return samples > 1 ? `${text}${sign}${spread.toFixed(text.split('.')[1]?.length ?? 0)}` : text;
}

/** At least three significant digits: 1234, 56.7, 0.0123. */
export function digits(value: number): string {
  if (value === 0 || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
}
