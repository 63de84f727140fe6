import { createInterface } from 'node:readline/promises';
import { UserError } from '../errors.ts';

/**
 * Asks a person at the terminal; no answer is no.
 * @param command that goes without asking, for who is not at one
 */
export async function confirm(question: string, command: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UserError('Expected -y, because there is no terminal to ask at.', `Run: ${command}`, {
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
