import { UserError } from '../../errors.ts';
import type { Runner, RunnerTarget } from '../runner.ts';
import { llamaBatchedBench, llamaBench } from './llama-cpp.ts';

/** Starts a peer for a model. */
export type Peer = (target: RunnerTarget) => Promise<Runner>;

const NAMES = 'llama-bench=PATH, llama-batched-bench=PATH or node-llama-cpp[=PATH]';

/** The peer named by NAME or NAME=PATH. Throws UserError (usage) for an unknown one. */
export function parsePeer(text: string): Peer {
  const [name, path] = cutAt(text, '=');
  if (name === 'llama-bench' && path) return async (target) => llamaBench(path, target);
  if (name === 'llama-batched-bench' && path) return async (target) => llamaBatchedBench(path, target);
  if (name === 'node-llama-cpp')
    return async (target) => (await import('./node-llama-cpp.ts')).nodeLlamaCpp(target, path || undefined);
  throw new UserError(
    `Expected a peer: ${NAMES}, got "${text}".`,
    'The programs of llama.cpp need a path after =.',
    { kind: 'usage' },
  );
}

function cutAt(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
}
