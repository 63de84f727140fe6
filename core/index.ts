/**
 * The engine as a library. The command line program uses it too; nothing here needs a terminal.
 *
 *     const model = await loadModel('SmolLM2-135M-Instruct.Q4_1.gguf');
 *     const template = await ChatTemplate.parse(chatTemplateOf(model.gguf)!);
 *     const prompt = template.prompt({ messages: [{ role: 'user', content: 'Why is the sky blue?' }] });
 *     const sampler = new SamplerChain(samplerParameters({ temperature: 0 }), model.tokenizer);
 *     const ids = model.tokenizer.encode(prompt.text, { special: prompt.markup });
 *     for await (const { text } of generate(new Sequence(model), ids, { sampler })) process.stdout.write(text);
 *     await model.dispose();
 */
export type { Backend, Executable, MemoryUse, Program, Result, Step, Want } from '../backends/backend.ts';
export { selectBackend } from '../backends/select.ts';
export { type ErrorKind, UserError } from '../errors.ts';
export {
  configFromGguf,
  graphFromGguf,
  type ModelConfig,
  type ModelGraph,
} from './architectures/index.ts';
export { type Attention, attentionOf, headWeights } from './attention.ts';
export { ChatTemplate, chatTemplateOf, type Message, type RenderOptions } from './chat-template.ts';
export { type ListedBackend, listBackends } from './devices.ts';
export type { Note } from './engine.ts';
export type { FinishReason } from './generate/answer.ts';
export type { TokenLogprob } from './generate/logprobs.ts';
export {
  type GeneratedToken,
  type GenerateOptions,
  type GenerateResult,
  generate,
  UnfinishedAnswer,
} from './generate.ts';
export { type Gguf, type GgufTensor, readGguf } from './gguf/index.ts';
export type { LoadProgress } from './load-progress.ts';
export {
  type LimitOptions,
  type LoadOptions,
  loadModel,
  type Model,
  type ModelLimits,
  modelLimits,
} from './model.ts';
export { modelDefaults, parametersFor } from './model-defaults.ts';
export type { ModelDefaults } from './models/catalogue.ts';
export { estimateMemory } from './program.ts';
export { SamplerChain } from './sampler/chain.ts';
export { samplingDefaults } from './sampler/metadata.ts';
export { type SamplerName, type SamplerParameters, samplerParameters } from './sampler/parameters.ts';
export { type ScoredChunk, type ScoreOptions, type ScoreSummary, score } from './score.ts';
export { type Evaluated, type SavedSequence, Sequence } from './sequence.ts';
export type { SpeculationStats } from './speculate/speculative-decoder.ts';
export { tokenizerFromGguf } from './tokenizer/index.ts';
export { StreamingDecoder } from './tokenizer/streaming-decoder.ts';
export type { DecodeOptions, EncodeOptions, Tokenizer } from './tokenizer/tokenizer.ts';
