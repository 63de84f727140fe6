/** Figures that are kept: a JSON line a row, with all that is needed to measure it again. */
import { appendFileSync } from 'node:fs';
import { UserError } from '../errors.ts';
import type { Machine } from './machine.ts';

export interface Circumstances {
  readonly date: string; // ISO 8601
  readonly machine: Machine;
  readonly command: string;
}

/** Words of a command line as they are kept: files without their folders, which are nobody's business. */
export function keptCommand(words: readonly string[]): string {
  const folder = /(^|[=,])(?:~|\.\.?|[A-Za-z]:)?[\\/](?:[^=,]*[\\/])?/g; // behind =, a comma or nothing
  return words.map((word) => word.replace(folder, '$1')).join(' ');
}

/** Appends the rows to `file`, which is made where there is none. Throws UserError where it cannot be written. */
export function saveRows(file: string, circumstances: Circumstances, rows: readonly object[]): void {
  const text = rows.map((row) => `${JSON.stringify({ ...circumstances, ...row })}\n`).join('');
  try {
    appendFileSync(file, text);
  } catch (cause) {
    throw new UserError(
      `Expected to write ${file}, but: ${(cause as Error).message}`,
      'Give another file to --save.',
      {
        cause,
      },
    );
  }
}
