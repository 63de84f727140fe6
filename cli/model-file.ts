import { directories } from '../core/directories.ts';
import type { LoadOptions } from '../core/model.ts';
import type { PullOptions, PullProgress } from '../core/models/pull.ts';
import { resolveModel } from '../core/models/resolve.ts';
import type { ModelFile } from '../core/models/store.ts';
import type { Call } from './commands.ts';
import { type Progress, ProgressDisplay } from './progress.ts';

/** The file of the model that --model or a setting names; fetched first, with progress, unless --no-pull. */
export async function modelFile(call: Call): Promise<ModelFile> {
  const { model = '', noPull = false } = call.options;
  return showingProgress(call, model, (options) => resolveModel(model, { ...options, pull: !noPull }));
}

/** What a command's options say about loading its model; what there is to tell meanwhile goes to stderr. */
export function loadOptionsOf({ options, output }: Pick<Call, 'options' | 'output'>): LoadOptions {
  const { backend, threads, ctx, kvType } = options;
  return {
    ...{ backend, threads, contextLength: ctx },
    kvType: kvType as LoadOptions['kvType'], // one of its choices
    onNote: ({ text, detail }) => (detail ? output.detail(text) : output.note(text)),
  };
}

/** Runs a transfer with its progress on stderr. */
export async function showingProgress<T>(
  call: Call,
  name: string,
  transfer: (options: PullOptions) => Promise<T>,
): Promise<T> {
  const display = new ProgressDisplay(call);
  const onProgress = (progress: PullProgress) => display.show(transferOf(name, progress));
  const onMessage = (text: string) => display.aside(() => call.output.note(text));
  return display.during(() =>
    call.abortable((signal) => transfer({ directories: directories(), signal, onProgress, onMessage })),
  );
}

/** Until bytes come there is nothing to count. */
function transferOf(subject: string, { phase, receivedBytes, totalBytes }: PullProgress): Progress {
  const begun = phase === 'downloading' || phase === 'extracting';
  const counted = begun ? { done: receivedBytes, total: totalBytes } : {};
  return { subject, activity: phase, unit: 'bytes', ...counted };
}
