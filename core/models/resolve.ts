import type { PullOptions } from './pull.ts';
import { parseReference } from './reference.ts';
import { findModel, type ModelFile, notFound } from './store.ts';

export interface ResolveOptions extends PullOptions {
  readonly pull: boolean; // whether a model that is not here may be fetched
  readonly folder?: string; // relative paths count from here; default: the working directory
}

/**
 * The file behind a reference: what lies on this machine, else what its sources deliver. Nothing of the network
 * is loaded for a model that is here.
 *
 * @throws UserError (usage, model-not-found) as parseReference does; (model-not-found) with the command to run
 *   for a model that is not here when `pull` is false; and as pull does.
 */
export async function resolveModel(text: string, options: ResolveOptions): Promise<ModelFile> {
  const reference = parseReference(text, options.folder);
  const found = findModel(reference, options.directories);
  if (found) return found;
  if (reference.kind === 'path' || !options.pull) throw notFound(reference);
  const { pull } = await import('./pull.ts');
  return pull(reference, options);
}
