/** --report: the figures as a picture, or as a page with the picture, the table and the rows. */
import { existsSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import type { Table } from '../../bench/formats.ts';
import type { Machine } from '../../bench/machine.ts';
import { UserError } from '../../errors.ts';
import { htmlReport } from './report-html.ts';
import { svgReport } from './report-svg.ts';
import type { BenchState } from './state.ts';

export interface Reported {
  readonly state: BenchState;
  readonly machine: Machine;
  readonly date: string; // 2026-11-25
  readonly table: Table;
  readonly rows: readonly object[];
}

const WRITERS: Readonly<Record<string, (reported: Reported) => string>> = {
  '.svg': svgReport,
  '.html': htmlReport,
};

/** Before anything is measured. Throws UserError for a file that could not be written. */
export function checkReport(file: string): void {
  if (!(extname(file).toLowerCase() in WRITERS)) {
    throw new UserError(
      `Expected --report to name a file that ends in .svg or .html, got "${file}".`,
      'A picture for a README: --report bench.svg. A page with table and rows: --report bench.html.',
      { kind: 'usage' },
    );
  }
  const folder = dirname(file);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new UserError(`Expected a folder ${folder} for --report, there is none.`, 'Make it first.');
  }
}

/** As a whole or not at all. Throws UserError where the file cannot be written. */
export function writeReport(file: string, reported: Omit<Reported, 'date'>): void {
  const date = new Date().toISOString().slice(0, 10);
  const text = WRITERS[extname(file).toLowerCase()]!({ ...reported, date });
  const making = `${file}.${process.pid}`;
  try {
    writeFileSync(making, text);
    renameSync(making, file);
  } catch (cause) {
    rmSync(making, { force: true });
    throw new UserError(
      `Expected to write ${file}, but: ${(cause as Error).message}`,
      'Give another file to --report.',
      { cause },
    );
  }
}
