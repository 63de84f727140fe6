/** The table of architectures. Builds the graph of a model file with its architecture. */
import type { ValueId } from '../../backends/backend.ts';
import type { Checkpoint } from '../checkpoint/family.ts';
import type { Gguf } from '../gguf/index.ts';
import { requireString } from '../gguf/metadata.ts';
import type { Adapter } from './adapted.ts';
import { apertus } from './apertus.ts';
import type { ModelConfig } from './architecture.ts';
import { bert } from './bert.ts';
import { cohere2 } from './cohere2.ts';
import { deepseek2 } from './deepseek2.ts';
import { ernie45 } from './ernie4-5.ts';
import { exaone4 } from './exaone4.ts';
import { falconH1 } from './falcon-h1.ts';
import { gemmaEmbedding } from './gemma-embedding.ts';
import { gemma2 } from './gemma2.ts';
import { gemma3 } from './gemma3.ts';
import { gemma4 } from './gemma4.ts';
import { glm4 } from './glm4.ts';
import { gptOss } from './gpt-oss.ts';
import { gpt2 } from './gpt2.ts';
import { gptneox } from './gptneox.ts';
import { granite } from './granite.ts';
import { Graph, type RecordedGraph } from './graph.ts';
import { hunyuanDense } from './hunyuan-dense.ts';
import { lfm2 } from './lfm2.ts';
import { llama } from './llama.ts';
import { Metadata, unsupported } from './metadata.ts';
import { mistral3 } from './mistral3.ts';
import { modernBert } from './modern-bert.ts';
import { nemotronH } from './nemotron-h.ts';
import { nomicBert } from './nomic-bert.ts';
import { olmo2 } from './olmo2.ts';
import { olmoe } from './olmoe.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3moe } from './qwen3moe.ts';
import { qwen3next } from './qwen3next.ts';
import { qwen35 } from './qwen35.ts';
import { seedOss } from './seed-oss.ts';
import { smollm3 } from './smollm3.ts';
import { stablelm } from './stablelm.ts';
import { starcoder2 } from './starcoder2.ts';

export type { ModelConfig } from './architecture.ts';

/** An architecture with the type of its config erased: only its own `build` gets the config that its `read` returns. */
interface AnyArchitecture {
  readonly checkpoint?: Checkpoint;
  read(metadata: Metadata): ModelConfig;
  build(g: Graph, config: ModelConfig): ValueId;
}

export const ARCHITECTURES: Readonly<Record<string, AnyArchitecture>> = {
  llama,
  apertus,
  bert,
  cohere2,
  deepseek2,
  ernie4_5: ernie45,
  exaone4,
  'falcon-h1': falconH1,
  gemma2,
  gemma3,
  gemma4,
  'gemma-embedding': gemmaEmbedding,
  glm4,
  gpt2,
  gptneox,
  'gpt-oss': gptOss,
  granite,
  granitehybrid: granite,
  granitemoe: granite,
  'hunyuan-dense': hunyuanDense,
  lfm2,
  lfm2moe: lfm2,
  mistral3,
  'modern-bert': modernBert,
  nemotron_h: nemotronH,
  nemotron_h_moe: nemotronH,
  'nomic-bert': nomicBert,
  olmo2,
  olmoe,
  phi3,
  qwen2,
  qwen3,
  qwen3moe,
  qwen3next,
  qwen35,
  qwen35moe: qwen35,
  seed_oss: seedOss,
  smollm3,
  stablelm,
  starcoder2,
};

/** A model as its file describes it. */
export interface ModelGraph extends RecordedGraph {
  readonly architecture: string; // general.architecture
  readonly config: ModelConfig;
}

/**
 * The frozen hyperparameters of a file. They are checked against each other, but not against its tensors. Throws
 * UserError for an architecture that is not supported, and as Architecture.read does.
 */
export function configFromGguf(gguf: Gguf): ModelConfig & { readonly architecture: string } {
  const { name, architecture } = architectureOf(gguf);
  return Object.freeze({ architecture: name, ...architecture.read(new Metadata(gguf, name)) });
}

/** Throws UserError as configFromGguf does, and for a tensor that is missing, of another shape or not used. */
export function graphFromGguf(
  gguf: Gguf,
  { wanted, adapters }: { wanted?: 'output' | 'hidden'; adapters?: readonly Adapter[] } = {},
): ModelGraph {
  const { name, architecture } = architectureOf(gguf);
  const config = configFromGguf(gguf);
  const graph = new Graph(gguf, adapters);
  return { architecture: name, config, ...graph.end(architecture.build(graph, config), wanted) };
}

function architectureOf({ metadata }: Gguf): { name: string; architecture: AnyArchitecture } {
  const name = requireString(metadata, 'general.architecture');
  const known = Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
  if (known) return { name, architecture: known };
  throw unsupported(`The architecture "${name}"`, `; supported: ${Object.keys(ARCHITECTURES).join(', ')}`);
}
