import { UserError } from '../../errors.ts';
import type { Call } from '../command.ts';
import { parseIds, readStdin } from '../input.ts';
import { stdinIsTerminal } from '../stdin.ts';
import { tokenizerOf } from './tokenize.ts';

/** Converts ids to text. Special tokens are shown only with --special. */
export async function detokenize(call: Call): Promise<void> {
  const { operands, options, output } = call;
  const ids = parseIds(await idText(operands));
  const text = (await tokenizerOf(options, call)).decode(ids, { special: options.special });
  if (options.json) return output.json({ text });
  await output.print(`${text}\n`);
}

async function idText(operands: readonly string[]): Promise<string> {
  if (operands[0] === '-' || (operands.length === 0 && !stdinIsTerminal())) return readStdin();
  if (operands.length > 0) return operands.join(' ');
  throw new UserError('There are no token ids to convert.', 'Run: percept detokenize 19556,905', {
    kind: 'usage',
  });
}
