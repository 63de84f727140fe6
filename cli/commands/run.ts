import { configFromGguf } from '../../core/architectures/index.ts';
import { answerLimit } from '../../core/context-window.ts';
import {
  type GeneratedToken,
  type GenerateOptions,
  type GenerateResult,
  generate,
  UnfinishedAnswer,
} from '../../core/generate.ts';
import type { Model } from '../../core/model.ts';
import { parametersFor } from '../../core/model-defaults.ts';
import type { PromptCache } from '../../core/prompt-cache.ts';
import { readModel } from '../../core/read-model.ts';
import { SamplerChain } from '../../core/sampler/chain.ts';
import { samplerParameters } from '../../core/sampler/parameters.ts';
import { Sequence } from '../../core/sequence.ts';
import { LONG_PROMPT } from '../../core/sequence-pool.ts';
import { UserError } from '../../errors.ts';
import {
  type AnswerPrinter,
  type Beginning,
  jsonAnswer,
  jsonLinesAnswer,
  textAnswer,
} from '../answer/printer.ts';
import { isForScreen, screenAnswer } from '../answer/screen.ts';
import type { Options } from '../arguments/options.ts';
import { betterModelHint } from '../better-model.ts';
import type { Call, Context } from '../command.ts';
import { load } from '../load.ts';
import { modelFile } from '../model-file.ts';
import { ProgressDisplay } from '../progress/progress.ts';
import { encodePrompt, type Prompt, readPrompt } from '../prompt.ts';
import { samplingOf } from '../sampling.ts';
import type { SavedSession } from '../sessions/save.ts';

/** Answers one prompt. */
export async function run(call: Call): Promise<void> {
  const { options } = call;
  checkLogprobs(options);
  checkExtract(options);
  checkContinue(call);
  samplerParameters(samplingOf(options)); // fails on wrong parameters before a model is downloaded
  const prompt = await readPrompt(call, call);
  const reference = options.model ?? '';
  if (prompt.kind !== 'chat') return answerOnce(call, { prompt, reference });
  const { messages } = prompt;
  if (options.continue || options.resume !== undefined) {
    const { continueSession } = await import('../sessions/continue.ts');
    const saved = await continueSession(messages, call);
    const question = { ...prompt, messages: saved.messages, continues: true };
    return answerOnce(call, { prompt: question, reference: saved.model, save: async () => saved });
  }
  if (options.noSave || options.messages !== undefined) return answerOnce(call, { prompt, reference });
  let saved: Promise<SavedSession> | undefined;
  const save = () =>
    (saved ??= import('../sessions/save.ts').then(({ newSession }) => newSession(messages, call)));
  await answerOnce(call, { prompt, reference, save });
  const hint = betterModelHint(call);
  if (hint) call.output.note(hint);
}

interface Question {
  readonly prompt: Prompt;
  readonly reference: string; // of the model
  /** Where question and answer are stored, if they are. */
  readonly save?: () => Promise<SavedSession>;
}

async function answerOnce(call: Call, question: Question): Promise<void> {
  const { options } = call;
  const { path } = await modelFile(question.reference, options, call);
  const draftPath = await draftFile(options, call);
  const model = await load(path, options, call);
  let draft: Model | undefined;
  try {
    draft = draftPath === undefined ? undefined : await loadDraft(draftPath, model, call);
    await answer(call, question, { model, draft });
  } finally {
    await draft?.dispose();
    await model.dispose();
  }
}

/** The file of the --draft model; undefined if nothing is drafted. */
async function draftFile(options: Options, context: Context): Promise<string | undefined> {
  const { draft, speculate } = options;
  if (draft === undefined || speculate === 'off') return undefined;
  const { path } = await modelFile(draft, options, context);
  return path;
}

/** Its context is that of `model`, but no longer than its training. */
async function loadDraft(path: string, model: Model, call: Call): Promise<Model> {
  const { contextLength: trained } = configFromGguf(await readModel(path));
  const ctx = Math.min(model.contextLength, trained);
  return load(path, { ...call.options, ctx }, call);
}

interface Models {
  readonly model: Model;
  readonly draft?: Model;
}

async function answer(
  call: Call,
  { prompt, reference, save }: Question,
  { model, draft: draftModel }: Models,
): Promise<void> {
  const { options, output } = call;
  const promptIds = await encodePrompt(prompt, model, { output, maxTokens: options.maxTokens });
  const parameters = parametersFor(model.defaults, samplingOf(options));
  const sampler = new SamplerChain(parameters, model.tokenizer);
  const { stop, ignoreEos, ignoreLoops, logprobs } = options;
  const room = { contextLength: model.contextLength, maxTokens: options.maxTokens };
  const maxTokens = continues(prompt) ? answerLimit(room, promptIds.length) : room.maxTokens;
  const speculate = options.speculate as GenerateOptions['speculate']; // one of its choices
  const draft = draftModel && new Sequence(draftModel);
  const reading = new ProgressDisplay(output, { onlyIfSlow: true });
  const onProgress = (done: number, total: number) => {
    if (done < total) reading.show({ activity: 'reading the prompt', unit: 'tokens', done, total });
    else reading.end();
  };
  const generation = {
    sampler,
    maxTokens,
    stop,
    ignoreEos,
    ignoreLoops,
    logprobs,
    speculate,
    draft,
    onProgress,
  };
  const { seed } = sampler;
  const sequence = new Sequence(model);
  const cached = await promptCache(model, promptIds);
  await cached?.restore(sequence, promptIds);
  const session = options.json || options.jsonl ? (await save?.())?.session : undefined;
  const beginning = { reference, model, promptIds, seed, session };
  const known = { backend: model.backend.name, seed, promptTokens: promptIds.length };
  const answered = call.abortable(async (signal) => {
    const printer = await answerPrinter(call, prompt, beginning);
    const saving = save && alsoSaved(printer, async () => (await save()).saver(known));
    return write(generate(sequence, promptIds, { ...generation, signal }), saving ?? printer);
  });
  const result = await answered.finally(() => reading.end());
  if (save && result.usage.completionTokens > 0)
    await cached?.save(sequence, (await save()).session, computedIn(result));
  if (result.stoppedBy === 'repetition')
    output.note('The answer was ended because it repeats itself; --ignore-loops lets it go on.');
  if (options.stats) for (const line of statistics(model, sampler, result)) output.note(line);
}

function continues(prompt: Prompt): boolean {
  return prompt.kind === 'chat' && prompt.continues === true;
}

/** What other processes have stored of long prompts. Undefined for a short one, which is computed sooner. */
async function promptCache(model: Model, promptIds: readonly number[]): Promise<PromptCache | undefined> {
  if (promptIds.length < LONG_PROMPT) return undefined;
  const { PromptCache, promptFolder } = await import('../../core/prompt-cache.ts');
  return new PromptCache(model, { folder: promptFolder() });
}

function computedIn({ usage: { promptTokens, completionTokens, cachedTokens } }: GenerateResult): number {
  return promptTokens + completionTokens - cachedTokens;
}

async function answerPrinter(call: Call, { kind }: Prompt, beginning: Beginning): Promise<AnswerPrinter> {
  const { options, output } = call;
  if (options.jsonl) return jsonLinesAnswer(output, beginning);
  if (options.json) return jsonAnswer(output, beginning);
  if (options.extract) return (await import('../answer/code.ts')).codeAnswer(output);
  // A raw prompt is text to continue, whose spaces and marks are its own.
  return kind === 'chat' && isForScreen(options, output) ? screenAnswer(output) : textAnswer(output);
}

/** Prints, then stores. What stores is loaded after the first token, so that the answer does not wait. */
function alsoSaved(printer: AnswerPrinter, begin: () => Promise<AnswerPrinter>): AnswerPrinter {
  let saver: AnswerPrinter | undefined;
  return {
    async token(token) {
      await printer.token(token);
      saver ??= await begin();
      await saver.token(token);
    },
    async end(result) {
      try {
        await printer.end(result);
      } finally {
        await saver?.end(result);
      }
    },
  };
}

async function write(
  tokens: AsyncGenerator<GeneratedToken, GenerateResult>,
  printer: AnswerPrinter,
): Promise<GenerateResult> {
  let result: GenerateResult | undefined;
  try {
    let next = await tokens.next();
    for (; !next.done; next = await tokens.next()) await printer.token(next.value);
    result = next.value;
    return result;
  } catch (error) {
    if (error instanceof UnfinishedAnswer) result = error.result;
    throw error;
  } finally {
    await printer.end(result);
  }
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
  throw new UserError('--logprobs needs --json or --jsonl.', 'Plain text cannot hold them.', {
    kind: 'usage',
  });
}

/** In other programs -c N is the length of the context. */
function checkContinue({ options, operands }: Call): void {
  const [text = ''] = operands;
  if (!options.continue || operands.length !== 1 || !/^\d{3,}$/.test(text)) return;
  throw new UserError(
    `-c continues the last conversation, and "${text}" alone is hardly a question.`,
    `For a context of ${text} tokens: --ctx ${text}. To say it all the same: percept -c "${text}."`,
    { kind: 'usage' },
  );
}

function checkExtract({ extract, json, jsonl }: Options): void {
  if (!extract || !(json || jsonl)) return;
  const other = json ? '--json' : '--jsonl';
  throw new UserError(`--extract cannot be combined with ${other}.`, 'Leave one of them out.', {
    kind: 'usage',
  });
}
