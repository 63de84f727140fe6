/**
 * The list of backends. A backend is imported only on request. There is no fallback: if the requested backend cannot
 * run, the error gives the reason. For `auto`, core/engine.ts chooses among the `candidates` once it has the model.
 */
import { UserError } from '../errors.ts';
import { findAdapters } from './adapters.ts';
import type { Backend, DeviceInfo, Roofs } from './backend.ts';

export { type Adapters, findAdapters } from './adapters.ts';
export { usableCores } from './cpu/cores.ts';

export interface BackendOptions {
  readonly threads?: number; // default: cores this process may use
  readonly sentinels?: boolean; // for tests: executables report writes outside their buffers
  /** Times every kernel if the device has a clock: Executable.kernelTimes. */
  readonly profile?: boolean;
  /** Folder of cached facts about this machine; default: no cache. */
  readonly cacheDirectory?: string;
}

export type BackendName = 'cpu' | 'webgpu' | 'gpujs' | 'reference';

const CREATE: Readonly<Record<BackendName, (options: BackendOptions) => Promise<Backend>>> = {
  cpu: async (options) => (await import('./cpu/index.ts')).createCpuBackend(options),
  webgpu: async (options) => (await import('./webgpu/index.ts')).createWebgpuBackend(options),
  gpujs: async (options) =>
    (await import('./gpujs/index.ts')).createGpujsBackend({ ...options, mode: await gpujsMode(options) }),
  reference: async () => new (await import('./reference.ts')).ReferenceBackend(),
};

/** Names that `selectBackend` accepts. */
export const BACKEND_NAMES = Object.keys(CREATE) as readonly BackendName[];

/** Starts the named backend. Throws UserError if it cannot run here. */
export async function selectBackend(name: string, options: BackendOptions = {}): Promise<Backend> {
  const chosen = BACKEND_NAMES.find((known) => known === name);
  if (!chosen) throw unknownBackend(name);
  const missing = await whyMissing(chosen, options);
  if (missing !== undefined) throw cannotRun(chosen, missing);
  try {
    return await CREATE[chosen](options);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    throw cannotRun(chosen, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** The reason why a backend cannot start, found without starting it: Dawn would print a warning on stderr. */
async function whyMissing(
  name: BackendName,
  { cacheDirectory }: BackendOptions,
): Promise<string | undefined> {
  return name === 'webgpu' ? (await findAdapters(cacheDirectory)).none : undefined;
}

/** Without a GPU, gpu.js does not have to search for one. */
async function gpujsMode({ cacheDirectory }: BackendOptions): Promise<'auto' | 'webasm'> {
  const [adapter] = (await findAdapters(cacheDirectory)).adapters;
  return adapter && !adapter.software ? 'auto' : 'webasm';
}

export interface Candidate {
  readonly name: BackendName;
  readonly device?: DeviceInfo; // used besides the processor
  /** The reason why `auto` does not consider it. */
  readonly out?: string;
}

/** All backends for `auto`, with a reason for each one that a rule excludes. */
export async function candidates({ cacheDirectory }: BackendOptions = {}): Promise<Candidate[]> {
  const { adapters, none } = await findAdapters(cacheDirectory);
  const [device] = adapters;
  const software = device?.software
    ? `${device.name} computes in software, on the same processor as cpu, which is faster`
    : undefined;
  return [
    { name: 'cpu' },
    { name: 'webgpu', device, out: none ?? software },
    {
      name: 'gpujs',
      out: 'webgpu is faster on the same device, and cpu is faster without one',
    },
    { name: 'reference', out: 'the definition of correct, and the slowest' },
  ];
}

export interface BackendReport {
  readonly name: BackendName;
  readonly present: boolean; // it starts on this machine
  readonly missing?: string; // the reason why it does not
  readonly threads?: number; // if present
  readonly description?: string; // if present
  readonly device?: DeviceInfo; // if present, and if there is one
  readonly roofs?: Roofs; // if present and measured
}

/** Starts each backend once, measures it and reports. */
export async function reportBackends(options: BackendOptions = {}): Promise<BackendReport[]> {
  const reports: BackendReport[] = [];
  for (const name of BACKEND_NAMES) reports.push(await report(name, options));
  return reports;
}

async function report(name: BackendName, options: BackendOptions): Promise<BackendReport> {
  const missing = await whyMissing(name, options);
  if (missing !== undefined) return { name, present: false, missing };
  try {
    const backend = await selectBackend(name, options);
    const roofs = await backend.roofs?.();
    await backend.dispose();
    const { threads, description, device } = backend;
    return { name, present: true, threads, description, device, roofs };
  } catch (cause) {
    return { name, present: false, missing: cause instanceof Error ? cause.message : String(cause) };
  }
}

function cannotRun(name: BackendName, reason: string, cause?: unknown): UserError {
  const others = BACKEND_NAMES.filter((other) => other !== name);
  return new UserError(
    `The ${name} backend cannot run here: ${reason}.`.replace(/\.\.$/, '.'),
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
