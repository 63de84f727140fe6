/** Finds the model of a chat, downloads it if needed, and loads it with caches for several branches. */
import { statSync } from 'node:fs';
import type { KvType } from '../../backends/backend.ts';
import { threadsInWords } from '../../bench/formats.ts';
import { graphFromGguf } from '../../core/architectures/index.ts';
import { Chat } from '../../core/chat.ts';
import { directories } from '../../core/directories.ts';
import { readGguf } from '../../core/gguf/index.ts';
import { modelTitle, modelType } from '../../core/gguf/model-type.ts';
import { type LoadOptions, loadModel, type Model, modelLimits } from '../../core/model.ts';
import type { PullProgress } from '../../core/models/pull.ts';
import { lastingReference } from '../../core/models/reference.ts';
import { resolveModel } from '../../core/models/resolve.ts';
import { estimateMemory } from '../../core/program.ts';
import type { Options } from '../arguments/options.ts';
import { readText } from '../input.ts';
import { LOADING_STAGES } from '../progress/line.ts';
import { templateOf } from '../prompt.ts';
import type { LoadingProgress, ModelFacts } from './chat-state.ts';

export interface LoadedModel {
  readonly reference: string; // valid in any working directory
  readonly model: Model;
  readonly chat: Chat;
  readonly type: string; // Q4_1
  readonly bytes: number; // of the file
}

export interface LoadingOptions {
  readonly options: Options;
  readonly signal?: AbortSignal;
  readonly onProgress: (progress: LoadingProgress) => void;
  readonly onNote: (text: string, detail: boolean) => void;
}

/** Cached branches. Each reserves address space only; memory is used when a branch is. */
const MOST_SEQUENCES = 4;
/** Limit for all caches together, in bytes. */
const MOST_CACHE = 1e9;

/** Throws UserError as resolving and loading do, and if the model has no chat template. */
export async function loadChatModel(
  reference: string,
  backend: string | undefined,
  { options, signal, onProgress, onNote }: LoadingOptions,
): Promise<LoadedModel> {
  const file = await resolveModel(reference, {
    directories: directories(),
    pull: !options.noPull,
    signal,
    onProgress: (progress) => onProgress(pulling(reference, progress)),
    onMessage: (text) => onNote(text, false),
  });
  onProgress({ stage: 'loading' });
  const own = options.template === undefined ? undefined : await readText(options.template);
  const sizes = {
    contextLength: options.ctx,
    kvType: options.kvType as KvType | undefined, // one of its choices
  };
  const model = await loadModel(file.path, {
    ...sizes,
    backend,
    threads: options.threads,
    sequences: await sequencesFor(file.path, sizes),
    attention: true,
    onNote: ({ text, detail }) => onNote(text, detail),
    onProgress: ({ stage, readBytes, weightBytes }) =>
      onProgress({ stage: LOADING_STAGES[stage], done: readBytes, total: weightBytes }),
  });
  try {
    const chat = await Chat.open(model, templateOf(model, { own }));
    return {
      reference: lastingReference(reference),
      model,
      chat,
      type: modelType(model.gguf),
      bytes: statSync(file.path).size,
    };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

function pulling(reference: string, { phase, receivedBytes, totalBytes }: PullProgress): LoadingProgress {
  return { stage: `${phase} ${reference}`, done: receivedBytes, total: totalBytes };
}

/** As many sequences as fit the limit for caches and a quarter of the free memory. */
async function sequencesFor(
  path: string,
  sizes: Pick<LoadOptions, 'contextLength' | 'kvType'>,
): Promise<number> {
  const gguf = await readGguf(path);
  const graph = graphFromGguf(gguf);
  const { kv } = estimateMemory(graph, modelLimits(gguf, graph.config, sizes));
  const room = Math.min(MOST_CACHE, process.availableMemory() / 4);
  return Math.max(1, Math.min(MOST_SEQUENCES, Math.floor(room / kv)));
}

export function factsOf({ reference, model, type, bytes }: LoadedModel): ModelFacts {
  const { name, threads, device } = model.backend;
  return {
    reference,
    type,
    bytes,
    name: modelTitle(model.path, type),
    backend: name,
    device: device?.name ?? threadsInWords(threads),
    contextLength: model.contextLength,
  };
}
