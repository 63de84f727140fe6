import { type FlatRow, toCsv, toSql } from '../../bench/formats.ts';
import { type Machine, machineInWords } from '../../bench/machine.ts';
import { keptCommand, saveRows } from '../../bench/results.ts';
import type { Options } from '../arguments/options.ts';
import type { Context } from '../command.ts';
import type { Output } from '../output.ts';

type Format = 'json' | 'jsonl' | 'md' | 'csv' | 'sql';

/** --json and --jsonl as in every command; otherwise -o. */
export function formatOf({ json, jsonl, output }: Options): Format {
  if (json) return 'json';
  return jsonl ? 'jsonl' : (output as Format);
}

export interface RowShape<Row> {
  readonly table: string; // in SQL
  readonly flat: (row: Row) => FlatRow;
  readonly markdown: (rows: readonly Row[]) => string;
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
    const { table, flat, markdown } = this.#shape;
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
        return output.print(`${machineInWords(this.#machine)}\n\n${markdown(rows)}`);
    }
  }
}
