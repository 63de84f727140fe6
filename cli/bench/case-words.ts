import { casesNamed } from '../../bench/conformance/cases.ts';
import type { OpCase } from '../../bench/conformance/op-case.ts';
import { UserError } from '../../errors.ts';

/** The cases whose op, type or shape contains all of the words. Throws UserError (usage) if there is none. */
export function casesChosen<Case extends OpCase>(cases: readonly Case[], words: readonly string[]): Case[] {
  const chosen = casesNamed(cases, words);
  if (chosen.length > 0) return chosen;
  throw new UserError(
    `No kernel has "${words.join(' ')}" in its op, type or shape.`,
    'For example: matmul q4_0 for one type of weight, attention for one op, attention q8 for one type of cache.',
    { kind: 'usage' },
  );
}
