/** One line of questions.jsonl. */
export interface Question {
  readonly ask: string;
  /** Of each group at least one must be in the answer, as whole words, in any case. */
  readonly words: readonly (readonly string[])[];
}

export function isRight({ words }: Question, answer: string): boolean {
  return words.every((group) => group.some((word) => contains(answer, word)));
}

function contains(text: string, word: string): boolean {
  const literal = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/ /g, '\\s+');
  return new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, 'iu').test(text);
}
