import type { PullOptions } from './pull-options.ts';
import { parseReference } from './reference.ts';
import { findModel, type ModelFile, notFound } from './store.ts';

export interface ResolveOptions extends PullOptions {
  readonly pull: boolean; // whether a missing model may be fetched
  readonly folder?: string; // relative paths are relative to it; default: the working directory
}

/**
 * The file of a reference: from this machine, else from its sources. Loads no network code for a model that is on this
 * machine.
 *
 * @throws UserError (usage, model-not-found) as parseReference does; (model-not-found) with the command to run, for a
 *   missing model if `pull` is false; and as pull does.
 */
export async function resolveModel(text: string, options: ResolveOptions): Promise<ModelFile> {
  const reference = parseReference(text, options.folder);
  const found = findModel(reference, options.directories);
  if (found) return found;
  if (reference.kind === 'path' || !options.pull) throw notFound(reference);
  const { pull } = await import('./pull.ts');
  return pull(reference, options);
}
