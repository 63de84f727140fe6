import { createInterface } from 'node:readline/promises';
import { directories } from '../core/directories.ts';
import { parseReference } from '../core/models/reference.ts';
import { findModel, modelPath, removeModel } from '../core/models/store.ts';
import { UserError } from '../errors.ts';
import type { Call } from './commands.ts';
import { formatBytes } from './sizes.ts';

/** Deletes a model that percept pulled; asks where a person can answer. */
export async function rm({ operands, options, output }: Call): Promise<void> {
  const [text = ''] = operands;
  const reference = parseReference(text);
  const path = modelPath(reference, directories());
  const asks = !options.yes && findModel(reference, directories()) !== undefined;
  if (asks && !(await confirm(`Delete ${path}?`))) return output.note('Nothing deleted.');
  const bytes = await removeModel(reference, directories());
  if (options.json) return output.json({ reference: text, path, freed_bytes: bytes });
  output.note(`Deleted ${path} (${formatBytes(bytes)}).`);
}

async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UserError('Expected -y, because there is no terminal to ask at.', 'Run: percept rm -y REF', {
      kind: 'usage',
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
