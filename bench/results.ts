/** Saves rows, one JSON line each, with the circumstances that a repetition needs. */
import { appendFileSync } from 'node:fs';
import { UserError } from '../errors.ts';
import type { Machine } from './machine.ts';

export interface Circumstances {
  readonly date: string; // ISO 8601
  readonly machine: Machine;
  readonly command: string;
}

/** A command line to save: paths without their folders, which are private. */
export function keptCommand(words: readonly string[]): string {
  const folder = /(^|[=,])(?:~|\.\.?|[A-Za-z]:)?[\\/](?:[^=,]*[\\/])?/g; // after =, a comma or nothing
  return words.map((word) => word.replace(folder, '$1')).join(' ');
}

/** Appends the rows to `file`, or creates it. Throws UserError if it cannot be written. */
export function saveRows(file: string, circumstances: Circumstances, rows: readonly object[]): void {
  const text = rows.map((row) => `${JSON.stringify({ ...circumstances, ...row })}\n`).join('');
  try {
    appendFileSync(file, text);
  } catch (cause) {
    throw new UserError(
      `The rows could not be saved to ${file}: ${(cause as Error).message}`,
      'Give another file to --save.',
      {
        cause,
      },
    );
  }
}
