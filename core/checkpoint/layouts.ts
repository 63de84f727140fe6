/** Layouts of GGUF that several families need. */
import type { Config } from './config.ts';
import type { Checkpoint } from './family.ts';
import { added, decays, reshaped, type Stored, swapped } from './stored.ts';
import { headsOf } from './usual-metadata.ts';

type Convert = NonNullable<Checkpoint['convert']>;
type Conversion = Convert[string];

/** Rows of queries or keys whose halves are rotated, reordered so that neighbours are pairs. */
const pairs = (count: (c: Config) => number) => (x: Stored, c: Config) =>
  swapped(x, 2, x.shape[0]! / count(c) / 2);

/** Queries and keys of the families whose GGUF files rotate neighbours. */
export const ROTATED_PAIRS: Convert = {
  'attn_q.weight': pairs((c) => headsOf(c).heads),
  'attn_k.weight': pairs((c) => headsOf(c).kvHeads),
  'attn_q.bias': pairs((c) => headsOf(c).heads),
  'attn_k.bias': pairs((c) => headsOf(c).kvHeads),
};

/** Norms that are stored as what they differ from 1 by. */
export function addingOne(...names: readonly string[]): Convert {
  return Object.fromEntries(
    names.map((name) => [`${name}.weight`, (x: Stored) => added(x, 1)] as [string, Conversion]),
  );
}

/** What Mamba-2 layers have otherwise: rates and skips are columns. */
export const MAMBA_LAYOUT: Convert = {
  ssm_a: (x) => reshaped(decays(x), x.shape[0]!, 1),
  ssm_d: (x) => reshaped(x, x.shape[0]!, 1),
};
