/** Drafts by a smaller model of the same vocabulary: its most probable tokens (Leviathan et al. 2023). */
import { argmax } from '../../backends/logits.ts';
import { logitsOf } from '../../backends/results.ts';
import { UserError } from '../../errors.ts';
import type { Sequence } from '../sequence.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Drafter } from './drafter.ts';

export class DraftModel implements Drafter {
  readonly #sequence: Sequence;
  readonly #vocabularySize: number;

  /**
   * @param sequence of the smaller model; tokens that it already holds are not computed again
   * @param tokenizer of the main model
   * Throws UserError of kind 'usage' if the vocabularies differ.
   */
  constructor(sequence: Sequence, tokenizer: Tokenizer) {
    checkVocabularies(tokenizer, sequence.model.tokenizer);
    this.#sequence = sequence;
    this.#vocabularySize = tokenizer.vocabularySize;
  }

  kind(text: readonly number[]): number | undefined {
    return text.length <= this.#sequence.model.contextLength ? 0 : undefined;
  }

  async propose(text: readonly number[], max: number): Promise<number[]> {
    const room = this.#sequence.model.contextLength - text.length;
    const length = Math.min(max, room + 1); // the last token is not evaluated
    const draft: number[] = [];
    let logits = logitsOf((await this.#sequence.evaluate(text)).result);
    for (;;) {
      draft.push(argmax(logits.subarray(0, this.#vocabularySize))); // rows may be padded beyond the vocabulary
      if (draft.length === length) return draft;
      logits = await this.#sequence.append(draft.at(-1)!);
    }
  }
}

/** Compares sizes, end tokens, and the pieces of 64 ids spread over the vocabulary. */
function checkVocabularies(expected: Tokenizer, got: Tokenizer): void {
  const { vocabularySize } = expected;
  if (got.vocabularySize !== vocabularySize) {
    throw otherVocabulary(`${vocabularySize} tokens`, `${got.vocabularySize}`);
  }
  const probes = Array.from({ length: 64 }, (_, i) => Math.floor((i * (vocabularySize - 1)) / 63));
  for (const id of [...probes, ...expected.endIds]) {
    const [ours, theirs] = [expected.piece(id), got.piece(id)];
    if (ours !== theirs) throw otherVocabulary(`token ${id} to be "${ours}"`, `"${theirs}"`);
  }
}

function otherVocabulary(expected: string, got: string): UserError {
  return new UserError(
    `Expected a draft model with the vocabulary of the model, ${expected}, got ${got}.`,
    'Take a smaller model of the same family, or leave the draft model out.',
    { kind: 'usage' },
  );
}
