/** The tiny checkpoints of ../shared/goldens/architectures-gguf, as llama.cpp's converter writes them. */
export const CHECKPOINTS = [
  ...['llama', 'llama3-rope', 'qwen2', 'qwen3', 'olmo2', 'seed-oss', 'ernie4.5', 'hunyuan-dense', 'gemma3'],
  ...['granite', 'gpt2', 'starcoder2', 'stablelm', 'cohere2', 'glm4', 'apertus', 'gpt-neox', 'llama-yarn'],
  ...['mixtral', 'qwen3-moe', 'gemma2', 'ministral3', 'gemma4', 'gemma4-moe', 'gpt-oss', 'deepseek-v3'],
  ...['lfm2', 'lfm2-moe', 'qwen3-next', 'falcon-h1'],
];

/** The tiny checkpoints in Hugging Face's layout below ../shared/goldens. */
export const FOLDERS = [
  ...[
    ...CHECKPOINTS,
    'deepseek-v3-yarn',
    'exaone4',
    'gemma4-e',
    'granite-hybrid',
    'mistral-swa',
    'nemotron-h',
  ],
  ...['olmoe', 'phi3', 'qwen3.5', 'qwen3.5-moe', 'smollm3'],
]
  .map((name) => `architectures/${name}`)
  .concat('variants/llama-f8', 'variants/qwen3-bf16-sharded');
