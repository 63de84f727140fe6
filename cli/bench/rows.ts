import { type FlatRow, toCsv, toSql } from '../../bench/formats.ts';
import { type Machine, machineInWords } from '../../bench/machine.ts';
import { keptCommand, saveRows } from '../../bench/results.ts';
import type { Options } from '../arguments/options.ts';
import type { Context } from '../command.ts';
import type { Output } from '../output.ts';
import { wrapWords } from '../terminal/text/wrap.ts';

type Format = 'json' | 'jsonl' | 'md' | 'csv' | 'sql';

/** --json and --jsonl as in every command; otherwise -o. */
export function formatOf({ json, jsonl, output }: Options): Format {
  if (json) return 'json';
  return jsonl ? 'jsonl' : (output as Format);
}

export interface RowShape<Row> {
  readonly table: string; // in SQL
  readonly flat: (row: Row) => FlatRow;
  readonly markdown: (rows: readonly Row[], width?: number) => string;
  /** The meaning of its columns, a line each, for stderr. */
  readonly legend: readonly string[];
}

/** Prints rows: jsonl at once, other formats at the end. Appends each row to --save at once. */
export class Rows<Row extends object> {
  readonly #options: Options;
  readonly #output: Output;
  readonly #machine: Machine;
  readonly #shape: RowShape<Row>;
  readonly #format: Format;
  readonly #rows: Row[] = [];

  constructor(options: Options, { output }: Pick<Context, 'output'>, machine: Machine, shape: RowShape<Row>) {
    this.#options = options;
    this.#output = output;
    this.#machine = machine;
    this.#shape = shape;
    this.#format = formatOf(options);
  }

  get count(): number {
    return this.#rows.length;
  }

  async add(rows: readonly Row[]): Promise<void> {
    if (rows.length === 0) return;
    this.#rows.push(...rows);
    const { save } = this.#options;
    if (this.#format === 'jsonl') for (const row of rows) await this.#output.json(row);
    if (save === undefined) return;
    const command = `percept ${keptCommand(process.argv.slice(2))}`;
    saveRows(save, { date: new Date().toISOString(), machine: this.#machine, command }, rows);
  }

  /** After a stop: as `end`, if there is a row. */
  async endEarly(): Promise<void> {
    if (this.#rows.length > 0) await this.end();
  }

  /** After a failure: as `endEarly`, except as --json, where the error is the one value. */
  async endFailed(): Promise<void> {
    if (this.#format !== 'json') await this.endEarly();
  }

  async end(): Promise<void> {
    const output = this.#output;
    const { table, flat } = this.#shape;
    const rows = this.#rows;
    switch (this.#format) {
      case 'json':
        return output.json({ machine: this.#machine, rows });
      case 'jsonl':
        return; // printed already
      case 'csv':
        return output.print(toCsv(rows.map(flat)));
      case 'sql':
        return output.print(toSql(table, rows.map(flat)));
      case 'md':
        return this.#table();
    }
  }

  /** On a terminal no line is broken by its right edge, if that can be. */
  async #table(): Promise<void> {
    const { markdown, legend } = this.#shape;
    const width = this.#output.interactive ? process.stdout.columns : undefined;
    const text = `${machineInWords(this.#machine)}\n\n${markdown(this.#rows, width)}`;
    const lines = text.split('\n');
    const fitted = lines.flatMap((line) => (width && !line.startsWith('|') ? wrapWords(line, width) : line));
    await this.#output.print(fitted.join('\n'));
    if (this.#rows.length > 0) printNotes(this.#output, this.#output.interactive ? ['', ...legend] : legend);
  }
}

/** Lines for stderr. On a terminal long ones are wrapped, except those of a table. */
export function printNotes(output: Output, lines: readonly string[]): void {
  const { columns } = process.stderr;
  for (const line of lines) {
    const parts = columns && !line.startsWith('|') ? wrapWords(line, columns - HANGING) : [line];
    for (const [i, part] of parts.entries()) output.note(i === 0 ? part : ' '.repeat(HANGING) + part);
  }
}

const HANGING = 2; // columns before the later lines of a note
