import { UserError } from '../errors.ts';
import type { Call } from './commands.ts';
import { parseIds, readStdin } from './input.ts';
import { terminalText } from './terminal/terminal-text.ts';
import { tokenizerOf } from './tokenize.ts';

/** Ids to text; special tokens only with --special. */
export async function detokenize(call: Call): Promise<void> {
  const { operands, options, output } = call;
  const ids = parseIds(await idText(operands));
  const text = (await tokenizerOf(call)).decode(ids, { special: options.special });
  if (options.json) return output.json({ text });
  await output.print(`${output.interactive ? terminalText(text) : text}\n`);
}

async function idText(operands: readonly string[]): Promise<string> {
  if (operands[0] === '-' || (operands.length === 0 && !process.stdin.isTTY)) return readStdin();
  if (operands.length > 0) return operands.join(' ');
  throw new UserError('Expected token ids.', 'Run: percept detokenize 19556,905', { kind: 'usage' });
}
