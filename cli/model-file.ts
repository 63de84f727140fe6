/** Finds model files and downloads them, with progress on stderr. */
import { directories } from '../core/directories.ts';
import type { PullOptions, PullProgress } from '../core/models/pull-options.ts';
import { resolveModel } from '../core/models/resolve.ts';
import type { ModelFile } from '../core/models/store.ts';
import type { Options } from './arguments/options.ts';
import type { Context } from './command.ts';
import { type Progress, ProgressDisplay } from './progress/progress.ts';

/** The file of a model. Downloads it first if it is not on this machine, unless --no-pull. */
export async function modelFile(
  reference: string,
  { noPull = false }: Pick<Options, 'noPull'>,
  context: Context,
): Promise<ModelFile> {
  return showingProgress(reference, context, (options) =>
    resolveModel(reference, { ...options, pull: !noPull }),
  );
}

/** Runs a download with its progress on stderr. */
export async function showingProgress<T>(
  name: string,
  { output, abortable }: Context,
  transfer: (options: PullOptions) => Promise<T>,
): Promise<T> {
  const display = new ProgressDisplay(output);
  const onProgress = (progress: PullProgress) => display.show(transferOf(name, progress));
  const onMessage = (text: string) => display.aside(() => output.note(text));
  return display.during(() =>
    abortable((signal) => transfer({ directories: directories(), signal, onProgress, onMessage })),
  );
}

/** Bytes are counted only while they arrive or are read. */
function transferOf(subject: string, { phase, receivedBytes, totalBytes }: PullProgress): Progress {
  const begun = phase === 'downloading' || phase === 'extracting' || phase === 'checking';
  const counted = begun ? { done: receivedBytes, total: totalBytes } : {};
  return { subject, activity: phase, unit: 'bytes', ...counted };
}
