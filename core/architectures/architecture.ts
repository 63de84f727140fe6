import type { ValueId } from '../../backends/backend.ts';
import type { Graph } from './graph.ts';
import type { Metadata } from './metadata.ts';

/** One family of models, written down once. */
export interface Architecture<Config extends ModelConfig> {
  /** Its hyperparameters. Throws UserError naming the key for what is absent, makes no sense or is not supported. */
  read(metadata: Metadata): Config;
  /** The forward pass; returns the logits [S, V]. */
  build(g: Graph, config: Config): ValueId;
}

/** What every family has. */
export interface ModelConfig {
  readonly vocabularySize: number; // V
  readonly contextLength: number; // positions it was trained for
}
