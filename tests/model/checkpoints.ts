/** The tiny checkpoints of ../shared/goldens/architectures-gguf, as llama.cpp's converter writes them. */
export const CHECKPOINTS = [
  ...['llama', 'llama3-rope', 'qwen2', 'qwen3', 'olmo2', 'seed-oss', 'ernie4.5', 'hunyuan-dense', 'gemma3'],
  ...['granite', 'gpt2', 'starcoder2', 'stablelm', 'cohere2', 'glm4', 'apertus', 'gpt-neox', 'llama-yarn'],
  ...['mixtral', 'qwen3-moe', 'gemma2', 'ministral3', 'gemma4', 'gemma4-moe', 'gpt-oss', 'deepseek-v3'],
  ...['lfm2', 'lfm2-moe', 'qwen3-next', 'falcon-h1'],
];
