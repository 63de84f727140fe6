import type { Candidates } from './candidates.ts';

/** One link of the chain: edits the logits of the candidates, or removes some candidates. */
export interface Sampler {
  /** Name for users, with parameters: "top-k 40". */
  readonly label: string;
  apply(candidates: Candidates): void;
  /** Records a token of the text so far. */
  accept?(id: number): void;
  reset?(): void;
}

/** The end of the chain: picks one of the candidates. */
export interface Choice {
  readonly label: string;
  choose(candidates: Candidates): number;
  reset?(): void;
}
