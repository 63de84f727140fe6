import { createInterface } from 'node:readline/promises';
import { UserError } from '../errors.ts';
import { stdinIsTerminal } from './stdin.ts';

/**
 * Asks the user at the terminal. No answer means no.
 * @param command for the error without a terminal: the same command with -y
 */
export async function confirm(question: string, command: string): Promise<boolean> {
  if (!stdinIsTerminal()) {
    throw new UserError('Deleting needs a yes, and there is no terminal to ask on.', `Run: ${command}`, {
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
