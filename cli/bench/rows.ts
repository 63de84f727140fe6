import { type FlatRow, toCsv, toSql } from '../../bench/formats.ts';
import { type Machine, machineInWords } from '../../bench/machine.ts';
import { keptCommand, saveRows } from '../../bench/results.ts';
import type { Call } from '../commands.ts';

export interface RowShape<Row> {
  readonly table: string; // in SQL
  readonly flat: (row: Row) => FlatRow;
  readonly markdown: (rows: readonly Row[]) => string;
}

/** Rows on their way out: jsonl as they come, the other formats at the end; --save in any case. */
export class Rows<Row extends object> {
  readonly #call: Call;
  readonly #machine: Machine;
  readonly #shape: RowShape<Row>;
  readonly #format: string;
  readonly #rows: Row[] = [];

  constructor(call: Call, machine: Machine, shape: RowShape<Row>) {
    const { json, jsonl, output } = call.options;
    this.#call = call;
    this.#machine = machine;
    this.#shape = shape;
    this.#format = json ? 'json' : jsonl ? 'jsonl' : output!;
  }

  get count(): number {
    return this.#rows.length;
  }

  async add(rows: readonly Row[]): Promise<void> {
    this.#rows.push(...rows);
    const { output, options } = this.#call;
    if (this.#format === 'jsonl') for (const row of rows) await output.json(row);
    if (options.save === undefined) return;
    const command = `percept ${keptCommand(process.argv.slice(2))}`;
    saveRows(options.save, { date: new Date().toISOString(), machine: this.#machine, command }, rows);
  }

  async end(): Promise<void> {
    const { output } = this.#call;
    const { table, flat, markdown } = this.#shape;
    if (this.#format === 'json') return output.json({ machine: this.#machine, rows: this.#rows });
    if (this.#format === 'csv') return output.print(toCsv(this.#rows.map(flat)));
    if (this.#format === 'sql') return output.print(toSql(table, this.#rows.map(flat)));
    if (this.#format === 'jsonl') return;
    await output.print(`${machineInWords(this.#machine)}\n\n`);
    await output.print(markdown(this.#rows));
  }
}
