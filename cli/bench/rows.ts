import { type FlatRow, toCsv, toSql } from '../../bench/formats.ts';
import { type Machine, machineInWords } from '../../bench/machine.ts';
import { keptCommand, saveRows } from '../../bench/results.ts';
import type { Call } from '../commands.ts';
import type { Options } from '../options.ts';
import { terminalText } from '../terminal/terminal-text.ts';

type Format = 'json' | 'jsonl' | 'md' | 'csv' | 'sql';

/** --json and --jsonl as in every command, else -o. */
export function formatOf({ json, jsonl, output }: Options): Format {
  if (json) return 'json';
  return jsonl ? 'jsonl' : (output as Format);
}

export interface RowShape<Row> {
  readonly table: string; // in SQL
  readonly flat: (row: Row) => FlatRow;
  readonly markdown: (rows: readonly Row[]) => string;
}

/** Prints rows: jsonl as they come, the other formats at the end. Appends them to --save as they come. */
export class Rows<Row extends object> {
  readonly #call: Call;
  readonly #machine: Machine;
  readonly #shape: RowShape<Row>;
  readonly #format: Format;
  readonly #rows: Row[] = [];

  constructor(call: Call, machine: Machine, shape: RowShape<Row>) {
    this.#call = call;
    this.#machine = machine;
    this.#shape = shape;
    this.#format = formatOf(call.options);
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
        return output.print(this.#shown(`${machineInWords(this.#machine)}\n\n${markdown(rows)}`));
    }
  }

  /** Models are named by their files, and a file's name may hold control characters. */
  #shown(text: string): string {
    return this.#call.output.interactive ? terminalText(text) : text;
  }
}
