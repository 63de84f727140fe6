import { basename } from 'node:path';
import { threadsInWords } from '../../bench/formats.ts';
import type { TargetState } from './state.ts';

/** What a target is, in words; as asked for until it is loaded. */
function partsOf({ target, loaded }: TargetState): readonly string[] {
  const { path, backend, threads, kvType } = target;
  if (!loaded) {
    const cache = kvType === undefined || kvType === 'auto' ? '' : `${kvType} cache`;
    return [basename(path, '.gguf'), backend, threadsInWords(threads ?? 0), cache];
  }
  const { model, type } = loaded;
  return [`${model} ${type}`, loaded.backend, threadsInWords(loaded.threads), `${loaded.kvType} cache`];
}

/** A short name a target: its backend, and what else tells it from the others. */
export function targetNames(targets: readonly TargetState[]): string[] {
  const all = targets.map(partsOf);
  const asked = targets.map((target) => partsOf({ ...target, loaded: undefined }));
  return all.map((parts) =>
    parts
      .filter((part, i) => part !== '' && (i === 1 || new Set(asked.map((other) => other[i])).size > 1))
      .join(', '),
  );
}

export function targetName(target: TargetState): string {
  return partsOf(target).filter(Boolean).join(', ');
}

/** What all targets have in common. */
export function commonName(targets: readonly TargetState[]): string {
  const all = targets.map(partsOf);
  const asked = targets.map((target) => partsOf({ ...target, loaded: undefined }));
  return all[0]!
    .filter((part, i) => part !== '' && i !== 1 && new Set(asked.map((other) => other[i])).size === 1)
    .join(', ');
}
