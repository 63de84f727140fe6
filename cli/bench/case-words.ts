import { casesNamed } from '../../bench/conformance/cases.ts';
import type { OpCase } from '../../bench/conformance/op-case.ts';
import { UserError } from '../../errors.ts';

/** The cases that the words of a command line choose. Throws UserError (usage) where they choose none. */
export function casesChosen<Case extends OpCase>(cases: readonly Case[], words: readonly string[]): Case[] {
  const chosen = casesNamed(cases, words);
  if (chosen.length > 0) return chosen;
  throw new UserError(
    `Expected words that are part of a kernel's op, type or shape, got "${words.join(' ')}".`,
    'The words matmul q4_0 choose one type of weight, attention one op, attention q8 one type of cache.',
    { kind: 'usage' },
  );
}
