/**
 * Which backend computes. Each is imported only when it is asked for; none stands in for another: where the
 * one asked for cannot run, that is an error that says why.
 */
import { UserError } from '../errors.ts';
import type { Backend, Roofs } from './backend.ts';

export { usableCores } from './cpu/cores.ts';

export interface BackendOptions {
  readonly threads?: number; // default: cores this process may use
}

export type BackendName = 'cpu' | 'reference';

const CREATE: Readonly<Record<BackendName, (options: BackendOptions) => Promise<Backend>>> = {
  cpu: async (options) => (await import('./cpu/index.ts')).createCpuBackend(options),
  reference: async () => new (await import('./reference.ts')).ReferenceBackend(),
};

/** What 'auto' means. */
const AUTO: BackendName = 'cpu';

/** Names `selectBackend` takes besides 'auto'. */
export const BACKEND_NAMES = Object.keys(CREATE) as readonly BackendName[];

/** Starts the backend of that name, or the fastest for 'auto'. Throws UserError where it cannot run here. */
export async function selectBackend(name: string, options: BackendOptions = {}): Promise<Backend> {
  const chosen = name === 'auto' ? AUTO : BACKEND_NAMES.find((known) => known === name);
  if (!chosen) throw unknownBackend(name);
  try {
    return await CREATE[chosen](options);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw cannotRun(chosen, cause);
  }
}

export interface BackendReport {
  readonly name: BackendName;
  readonly present: boolean; // it starts on this machine
  readonly chosen: boolean; // it is what `wanted` selects
  readonly reason: string; // why it is chosen, or why not
  readonly threads?: number; // where present
  readonly description?: string; // where present: what runs where
  readonly roofs?: Roofs; // where present and measured
}

/** Starts each backend once, measures it and reports; `wanted` as for `selectBackend`. */
export async function listBackends(wanted = 'auto', options: BackendOptions = {}): Promise<BackendReport[]> {
  const reports: BackendReport[] = [];
  for (const name of BACKEND_NAMES) reports.push(await report(name, wanted, options));
  return reports;
}

async function report(name: BackendName, wanted: string, options: BackendOptions): Promise<BackendReport> {
  const chosen = name === (wanted === 'auto' ? AUTO : wanted);
  try {
    const backend = await CREATE[name](options);
    const roofs = await backend.roofs?.();
    await backend.dispose();
    const { threads, description } = backend;
    return { name, present: true, chosen, reason: reasonFor(chosen, wanted), threads, description, roofs };
  } catch (cause) {
    return { name, present: false, chosen: false, reason: cannotRun(name, cause).message };
  }
}

function reasonFor(chosen: boolean, wanted: string): string {
  if (wanted !== 'auto') return chosen ? 'asked for' : `${wanted} was asked for`;
  return chosen ? 'the fastest here' : `${AUTO} is faster`;
}

function cannotRun(name: BackendName, cause: unknown): UserError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const others = BACKEND_NAMES.filter((other) => other !== name);
  return new UserError(
    `The ${name} backend cannot run here: ${reason}`,
    `Choose another backend: ${others.join(', ')}.`,
    { cause },
  );
}

function unknownBackend(name: string): UserError {
  return new UserError(
    `Expected a backend among auto, ${BACKEND_NAMES.join(', ')}, got "${name}".`,
    'Use one of these names.',
    { kind: 'usage' },
  );
}
