import { directories } from '../core/directories.ts';
import type { PullOptions } from '../core/models/pull.ts';
import { resolveModel } from '../core/models/resolve.ts';
import type { ModelFile } from '../core/models/store.ts';
import type { Call } from './commands.ts';
import { TransferDisplay } from './progress.ts';

/** The file of the model that --model or a setting names; fetched first, with progress, unless --no-pull. */
export async function modelFile(call: Call): Promise<ModelFile> {
  const { model = '', noPull = false } = call.options;
  return showingProgress(call, model, (options) => resolveModel(model, { ...options, pull: !noPull }));
}

/** Runs a transfer with its progress on stderr. */
export async function showingProgress<T>(
  { output, abortSignal }: Call,
  name: string,
  transfer: (options: PullOptions) => Promise<T>,
): Promise<T> {
  const display = new TransferDisplay(output, name);
  try {
    return await transfer({
      directories: directories(),
      signal: abortSignal(),
      onProgress: (progress) => display.update(progress),
      onMessage: (text) => display.message(text),
    });
  } finally {
    display.end();
  }
}
