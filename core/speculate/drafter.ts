/** Proposes the next tokens of a text; the model checks a whole proposal in one step. */
export interface Drafter {
  /**
   * Records the text so far, which only ever grows. Returns the kind of draft that could follow it, or undefined for
   * none; drafts of one kind hold about equally often.
   */
  kind(text: readonly number[]): number | undefined;
  /** From 1 to `max` ids that may follow the text of the last call of `kind`. */
  propose(text: readonly number[], max: number): readonly number[] | Promise<readonly number[]>;
}
