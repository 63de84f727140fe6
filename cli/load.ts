/** Loads a model, and shows its progress if that takes long. */
import { basename } from 'node:path';
import type { LoadProgress } from '../core/load-progress.ts';
import { type LimitOptions, type LoadOptions, loadModel, type Model } from '../core/model.ts';
import type { Options } from './arguments/options.ts';
import type { Context } from './command.ts';
import type { Output } from './output.ts';
import { LOADING_STAGES } from './progress/line.ts';
import { type Progress, ProgressDisplay } from './progress/progress.ts';

/** Loads the model file at `path`. Of the options, those that `loadOptionsOf` reads count. */
export async function load(path: string, options: Options, context: Pick<Context, 'output'>): Promise<Model> {
  return whileLoading(path, context, (events) => loadModel(path, { ...loadOptionsOf(options), ...events }));
}

/** Runs `work` with listeners that show notes and the progress of loading. */
export async function whileLoading<T>(
  path: string,
  { output }: Pick<Context, 'output'>,
  work: (events: Pick<LoadOptions, 'onNote' | 'onProgress'>) => Promise<T>,
): Promise<T> {
  const display = new ProgressDisplay(output, { onlyIfSlow: true });
  const onNote = notesTo(output);
  const subject = basename(path, '.gguf');
  return display.during(() =>
    work({
      onNote: (note) => display.aside(() => onNote(note)),
      onProgress: (progress) => display.show(stageOf(subject, progress)),
    }),
  );
}

/** The options that concern loading. */
export function loadOptionsOf({
  backend,
  threads,
  ctx,
  kvType,
  quantize,
  lora,
  pre,
  noMemoryCheck,
}: Options): LimitOptions {
  return {
    ...{ backend, threads, quantize, lora, pre, contextLength: ctx, memoryCheck: !noMemoryCheck },
    kvType: kvType as LimitOptions['kvType'], // one of its choices
  };
}

/** Notes about loading go to stderr. */
export function notesTo(output: Output): NonNullable<LimitOptions['onNote']> {
  return ({ text, detail }) => (detail ? output.detail(text) : output.note(text));
}

function stageOf(subject: string, { stage, readBytes: done, weightBytes: total }: LoadProgress): Progress {
  const counted = stage === 'weights' ? { done, total } : {};
  return { subject, activity: LOADING_STAGES[stage], unit: 'bytes', ...counted };
}
