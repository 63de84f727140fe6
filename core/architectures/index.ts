import type { Program } from '../../backends/backend.ts';
import type { ArchitectureName, ModelConfig } from '../config.ts';
import type { TensorSpec, WeightIds } from '../weights.ts';
import { buildLlama, llamaTensors } from './llama.ts';

export interface Architecture {
  /** Every tensor a model of this architecture may hold. */
  tensors(config: ModelConfig): Iterable<TensorSpec>;
  build(config: ModelConfig, weights: WeightIds): Pick<Program, 'buffers' | 'ops' | 'logits'>;
}

export const ARCHITECTURES: Readonly<Record<ArchitectureName, Architecture>> = {
  llama: { tensors: llamaTensors, build: buildLlama },
};
