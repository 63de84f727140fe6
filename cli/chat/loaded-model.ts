/** Finds the model of a chat, downloads it if needed, and loads it with caches for several branches. */
import type { MemoryUse } from '../../backends/backend.ts';
import { threadsInWords } from '../../bench/formats.ts';
import { Chat } from '../../core/chat.ts';
import { directories } from '../../core/directories.ts';
import { freeMemory } from '../../core/free-memory.ts';
import { modelTitle, modelType } from '../../core/gguf/model-type.ts';
import { loadModel, type Model } from '../../core/model.ts';
import type { PullProgress } from '../../core/models/pull-options.ts';
import { lastingReference } from '../../core/models/reference.ts';
import { resolveModel } from '../../core/models/resolve.ts';
import type { StoredPrompts } from '../../core/sequence-pool.ts';
import type { Options } from '../arguments/options.ts';
import { readText } from '../input.ts';
import { loadOptionsOf } from '../load.ts';
import { LOADING_STAGES } from '../progress/line.ts';
import { templateOf } from '../prompt.ts';
import type { LoadingProgress, ModelFacts } from './chat-state.ts';

export interface LoadedModel {
  readonly reference: string; // valid in any working directory
  readonly model: Model;
  readonly chat: Chat;
  readonly facts: ModelFacts;
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
  const model = await loadModel(file.path, {
    ...loadOptionsOf({ ...options, backend }),
    sequences: sequencesFor,
    attention: true,
    onNote: ({ text, detail }) => onNote(text, detail),
    onProgress: ({ stage, readBytes, weightBytes }) =>
      onProgress({ stage: LOADING_STAGES[stage], done: readBytes, total: weightBytes }),
  });
  try {
    const template = { ...templateOf(model, { own }), parseSpecial: options.parseSpecial };
    const chat = await Chat.open(model, template, { storedPrompts: () => storedPrompts(model) });
    const lasting = lastingReference(reference);
    return { reference: lasting, model, chat, facts: factsOf(lasting, model) };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

async function storedPrompts(model: Model): Promise<StoredPrompts> {
  const { PromptCache, promptFolder } = await import('../../core/prompt-cache.ts'); // for long conversations only
  return new PromptCache(model, { folder: promptFolder() });
}

function pulling(reference: string, { phase, receivedBytes, totalBytes }: PullProgress): LoadingProgress {
  return { stage: `${phase} ${reference}`, done: receivedBytes, total: totalBytes };
}

/** As many sequences as fit the limit for caches and a quarter of the free memory. */
function sequencesFor({ kv }: MemoryUse): number {
  const room = Math.min(MOST_CACHE, (freeMemory() ?? 0) / 4);
  return Math.max(1, Math.min(MOST_SEQUENCES, Math.floor(room / kv)));
}

function factsOf(reference: string, model: Model): ModelFacts {
  const { name, threads, device } = model.backend;
  const type = modelType(model.gguf);
  return {
    reference,
    type,
    bytes: model.gguf.fileBytes,
    name: modelTitle(model.path, type),
    backend: name,
    device: device?.name ?? threadsInWords(threads),
    contextLength: model.contextLength,
  };
}
