/** What an architecture says about checkpoints in Hugging Face's layout: names, keys and layouts that are its own. */
import type { GgufValue } from '../gguf/types.ts';
import type { Config } from './config.ts';
import type { Stored } from './stored.ts';

/** Tensors by the rest of their GGUF names, without the block. */
export type StoredTensors = Readonly<Record<string, Stored>>;

export type Values = Readonly<Record<string, GgufValue | undefined>>;

/** Names of the tanh approximation of GELU in configs. */
export const GELU_TANH: readonly string[] = ['gelu_pytorch_tanh', 'gelu_new', 'gelu_fast', 'gelu_accurate'];

export interface Checkpoint {
  /** general.architecture by model_type of config.json, or by more of it. */
  readonly types: Readonly<Record<string, string | ((c: Config) => string)>>;
  /**
   * GGUF names by those of the checkpoint, where usual-names.ts has others. Both without numbers of blocks and experts, and
   * without ".weight" and ".bias", which stay; a tensor without such an end names the whole GGUF tensor. Null: left out.
   */
  readonly names?: Readonly<Record<string, string | null>>;
  /** Layouts that GGUF has otherwise, by the GGUF name of a tensor: one tensor, or several by their names. */
  readonly convert?: Readonly<Record<string, (x: Stored, c: Config) => Stored | StoredTensors>>;
  /** Tensors, by the rest of their GGUF names, whose columns GGUF has in another order. */
  readonly byColumns?: readonly string[];
  /** Values beyond those of usual-metadata.ts, by keys without the architecture. Undefined takes one of those away. */
  readonly metadata?: (c: Config) => Values;
  /** MXFP4 in two tensors, NAME_blocks and NAME_scales: by NAME, the GGUF name of both together. */
  readonly blocks?: Readonly<Record<string, string>>;
  /** Tensors that follow from the config, by whole names. */
  readonly tensors?: (c: Config) => StoredTensors;
  /** The functions of the feed-forward that the family computes, as config.json names them; default silu. */
  readonly functions?: readonly string[];
  /** tie_word_embeddings means nothing: there is always a head of its own. */
  readonly untied?: true;
  /** Values that the checkpoint holds as tensors, by whole keys: the numbers of all blocks. */
  readonly numbers?: Readonly<Record<string, string>>;
}
