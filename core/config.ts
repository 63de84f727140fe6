import type { RopeSpec } from '../backends/backend.ts';

/** Sizes of a model, read from its metadata; frozen. */
export interface ModelConfig {
  readonly architecture: string; // general.architecture
  readonly nLayers: number;
  readonly embeddingLength: number; // C
  readonly feedForwardLength: number;
  readonly nHeads: number; // H
  readonly nKvHeads: number;
  readonly headDim: number; // D
  readonly vocabularySize: number; // V
  readonly contextLength: number; // positions it was trained for
  readonly rmsEps: number;
  readonly rope: RopeSpec;
  readonly tiedHead: boolean; // no output.weight: token_embd.weight serves as the head
}
