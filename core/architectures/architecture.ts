import type { ValueId } from '../../backends/backend.ts';
import type { Checkpoint } from '../checkpoint/family.ts';
import type { Graph } from './graph.ts';
import type { Metadata } from './metadata.ts';

/** The definition of one family of models. */
export interface Architecture<Config extends ModelConfig> {
  /** Reads the hyperparameters. Throws UserError, with the key, for a missing, invalid or unsupported value. */
  read(metadata: Metadata): Config;
  /** What checkpoints in Hugging Face's layout have otherwise than GGUF files. */
  readonly checkpoint?: Checkpoint;
  /** Records the forward pass; returns the logits [S, V]. */
  build(g: Graph, config: Config): ValueId;
}

/** Hyperparameters of every family. */
export interface ModelConfig {
  readonly vocabularySize: number; // V
  readonly contextLength: number; // positions it was trained for
}
