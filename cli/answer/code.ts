/** Prints only the code of an answer, once the answer is complete: whoever runs what comes never gets a part of it. */
import type { GenerateResult } from '../../core/generate.ts';
import { UserError } from '../../errors.ts';
import type { Output } from '../output.ts';
import { ProgressDisplay } from '../progress/progress.ts';
import type { AnswerPrinter } from './printer.ts';

/**
 * Prints the first fenced code block. Its `end` throws UserError (no-code) if there is none, or if the answer was ended inside
 * of it. After Ctrl-C it prints nothing.
 */
export function codeAnswer(output: Output): AnswerPrinter {
  const progress = new ProgressDisplay(output, { onlyIfSlow: true });
  let tokens = 0;
  return {
    async token() {
      tokens++;
      progress.show({ activity: 'writing the answer', unit: 'tokens', done: tokens });
    },
    async end(result) {
      progress.end();
      if (result && result.finishReason !== 'aborted') await output.print(`${await codeOf(result)}\n`);
    },
  };
}

async function codeOf({ text, finishReason, stoppedBy }: GenerateResult): Promise<string> {
  const { firstCode } = await import('../terminal/text/first-code.ts');
  const found = firstCode(text);
  if (!found)
    throw noCode('The answer has no code block.', 'Ask for code, or see the answer without --extract.');
  const isCut = finishReason === 'length' || stoppedBy !== undefined;
  if (isCut && !found.closed)
    throw noCode('The answer was cut off inside its first code block.', 'Allow more tokens (--max-tokens).');
  return found.code;
}

function noCode(message: string, hint: string): UserError {
  return new UserError(message, hint, { kind: 'no-code' });
}
