import { casesNamed } from '../../bench/conformance/cases.ts';
import type { OpCase } from '../../bench/conformance/op-case.ts';
import { UserError } from '../../errors.ts';

/** The cases whose op, type or shape has all of the words. Throws UserError (usage) where there is none. */
export function casesChosen<Case extends OpCase>(cases: readonly Case[], words: readonly string[]): Case[] {
  const chosen = casesNamed(cases, words);
  if (chosen.length > 0) return chosen;
  throw new UserError(
    `Expected words that are part of a kernel's op, type or shape, got "${words.join(' ')}".`,
    'For example: matmul q4_0 for one type of weight, attention for one op, attention q8 for one type of cache.',
    { kind: 'usage' },
  );
}
