/** Proposes how a text goes on; the model checks a whole proposal in one step. */
export interface Drafter {
  /**
   * Takes note of the text so far, which only ever grows, and tells what kind of draft could follow it: drafts of
   * one kind are those that hold about equally often. Undefined for none.
   */
  kind(text: readonly number[]): number | undefined;
  /** From 1 to `max` ids that may follow the text `kind` was last asked about. */
  propose(text: readonly number[], max: number): readonly number[] | Promise<readonly number[]>;
}
