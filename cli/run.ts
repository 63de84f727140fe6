import { configFromGguf } from '../core/config.ts';
import {
  type GeneratedToken,
  type GenerateOptions,
  type GenerateResult,
  generate,
  UnfinishedAnswer,
} from '../core/generate.ts';
import { readGguf } from '../core/gguf.ts';
import { loadModel, type Model } from '../core/model.ts';
import { SamplerChain } from '../core/sampler/chain.ts';
import { samplingDefaults } from '../core/sampler/metadata.ts';
import { samplerParameters } from '../core/sampler/parameters.ts';
import { Session } from '../core/session.ts';
import { UserError } from '../errors.ts';
import { type AnswerWriter, type Beginning, jsonAnswer, jsonLinesAnswer, textAnswer } from './answer.ts';
import type { Call } from './commands.ts';
import { loadOptionsOf, modelFile } from './model-file.ts';
import type { Options } from './options.ts';
import type { Output } from './output.ts';
import { encodePrompt, type Prompt, readPrompt } from './prompt.ts';
import { samplingOf } from './sampling.ts';

/** One prompt in, one answer out. */
export async function run(call: Call): Promise<void> {
  const { options } = call;
  checkLogprobs(options);
  samplerParameters(samplingOf(options)); // wrong ones are found before a model is fetched
  const prompt = await readPrompt(call);
  const { path } = await modelFile(call);
  const draftPath = await draftFile(call);
  const model = await loadModel(path, loadOptionsOf(call));
  let draft: Model | undefined;
  try {
    draft = draftPath === undefined ? undefined : await loadDraft(draftPath, model, call);
    await answer(call, model, prompt, draft);
  } finally {
    await draft?.dispose();
    await model.dispose();
  }
}

/** The file of the model that --draft names; none where nothing is to be drafted. */
async function draftFile(call: Call): Promise<string | undefined> {
  const { draft, speculate } = call.options;
  if (draft === undefined || speculate === 'off') return undefined;
  const { path } = await modelFile({ ...call, options: { ...call.options, model: draft } });
  return path;
}

/** With the context of `model`, as far as it is trained for that. */
async function loadDraft(path: string, model: Model, { options, output }: Call): Promise<Model> {
  const { contextLength: trained } = configFromGguf(await readGguf(path));
  const ctx = Math.min(model.contextLength, trained);
  return loadModel(path, loadOptionsOf({ options: { ...options, ctx }, output }));
}

async function answer(call: Call, model: Model, prompt: Prompt, draftModel?: Model): Promise<void> {
  const { options, output } = call;
  const promptIds = await encodePrompt(prompt, model);
  const parameters = samplerParameters(samplingDefaults(model.gguf.metadata), samplingOf(options));
  const sampler = new SamplerChain(parameters, model.tokenizer);
  const { maxTokens, stop, ignoreEos, logprobs } = options;
  const speculate = options.speculate as GenerateOptions['speculate']; // one of its choices
  const draft = draftModel && new Session(draftModel);
  const onProgress = prefillDisplay(output);
  const generation = { sampler, maxTokens, stop, ignoreEos, logprobs, speculate, draft, onProgress };
  const beginning = { reference: options.model ?? '', model, promptIds, seed: sampler.seed };
  const result = await call.abortable(async (signal) => {
    const writer = await answerWriter(call, beginning);
    return write(generate(new Session(model), promptIds, { ...generation, signal }), writer);
  });
  if (options.stats) for (const line of statistics(model, sampler, result)) output.note(line);
}

async function answerWriter({ options, output }: Call, beginning: Beginning): Promise<AnswerWriter> {
  if (options.jsonl) return jsonLinesAnswer(output, beginning);
  return options.json ? jsonAnswer(output, beginning) : textAnswer(output);
}

async function write(
  tokens: AsyncGenerator<GeneratedToken, GenerateResult>,
  writer: AnswerWriter,
): Promise<GenerateResult> {
  let result: GenerateResult | undefined;
  try {
    let next = await tokens.next();
    for (; !next.done; next = await tokens.next()) await writer.token(next.value);
    result = next.value;
    return result;
  } catch (error) {
    if (error instanceof UnfinishedAnswer) result = error.result;
    throw error;
  } finally {
    await writer.end(result);
  }
}

/** How far a long prompt is read, on a terminal. */
function prefillDisplay(output: Output): (done: number, total: number) => void {
  let shown = false;
  return (done, total) => {
    if (!output.progressBars) return;
    if (done < total) output.status(`reading the prompt: ${Math.floor((100 * done) / total)} %`);
    else if (shown) output.status('');
    shown = done < total;
  };
}

function* statistics(model: Model, sampler: SamplerChain, result: GenerateResult) {
  const { usage, timings, finishReason, speculation } = result;
  const rate = (tokensPerSecond: number) => `${tokensPerSecond.toFixed(1)} tok/s`;
  const cached = usage.cachedTokens > 0 ? `, ${usage.cachedTokens} of them cached` : '';
  yield `prompt: ${usage.promptTokens} tokens${cached}, ${rate(timings.prefillTokensPerSecond)}`;
  yield `answer: ${usage.completionTokens} tokens, ${rate(timings.decodeTokensPerSecond)}, ended by ${finishReason}`;
  if (speculation?.drafted) {
    const { drafted, accepted, gain } = speculation; // the gain is known: steps are timed before the first draft
    yield `speculation: ${drafted} tokens drafted, ${accepted} accepted, estimated speedup ${gain!.toFixed(2)}`;
  }
  yield `first token: ${Math.round(timings.firstTokenMs)} ms after ${Math.round(model.loadMs)} ms of loading`;
  const { name, threads, device } = model.backend;
  const where = device?.name ?? `${threads} threads`;
  yield `engine: ${name}, ${where}, context of ${model.contextLength} tokens`;
  yield `sampling: ${sampler.describe()}, seed ${sampler.seed}`;
}

function checkLogprobs({ logprobs, json, jsonl }: Options): void {
  if (logprobs === undefined || json || jsonl) return;
  throw new UserError('Expected --json or --jsonl with --logprobs.', 'Text has no place for them.', {
    kind: 'usage',
  });
}
