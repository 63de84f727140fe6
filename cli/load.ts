/** Loading a model, shown where it takes a while. */
import { basename } from 'node:path';
import type { LoadProgress } from '../core/load-progress.ts';
import { loadModel, type Model } from '../core/model.ts';
import type { Call } from './commands.ts';
import { LOADING_STAGES } from './loading-stages.ts';
import { loadOptionsOf } from './model-file.ts';
import { type Progress, ProgressDisplay } from './progress.ts';

/** The model of a file, loaded as the options say. */
export async function load(call: Pick<Call, 'options' | 'output'>, path: string): Promise<Model> {
  const display = new ProgressDisplay(call, { onlyIfSlow: true });
  const options = loadOptionsOf(call);
  const subject = basename(path, '.gguf');
  return display.during(() =>
    loadModel(path, {
      ...options,
      onNote: (note) => display.aside(() => options.onNote?.(note)),
      onProgress: (progress) => display.show(stageOf(subject, progress)),
    }),
  );
}

function stageOf(subject: string, { stage, readBytes: done, weightBytes: total }: LoadProgress): Progress {
  const counted = stage === 'weights' ? { done, total } : {};
  return { subject, activity: LOADING_STAGES[stage], unit: 'bytes', ...counted };
}
