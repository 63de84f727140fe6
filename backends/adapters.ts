/**
 * The graphics adapters of this machine. A process of its own asks for them: a driver that crashes ends only that
 * process, and the output of Dawn and drivers is not shown. The answer is cached until the files of drivers change, so
 * a start only looks at those files.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DeviceInfo } from './backend.ts';
import { driverFiles } from './driver-files.ts';
import { type AdapterFacts, describeAdapter } from './webgpu/adapter-info.ts';
import { writeWhole } from './whole-file.ts';

export interface Adapters {
  readonly adapters: readonly DeviceInfo[]; // the first one is used
  /** The reason why there is none. */
  readonly none?: string;
}

const CACHE_FILE = 'adapters.json';
const PROBE_MS = 20_000; // a driver that takes longer hangs

/** Code of the probe process. Its argument is the URL of the package webgpu; it prints AdapterFacts[] as JSON. */
const PROBE = `
  const { create, globals } = await import(process.argv[1]);
  Object.assign(globalThis, globals);
  const gpu = create([]);
  const wishes = [{ powerPreference: 'high-performance' }, { powerPreference: 'low-power' }];
  const found = new Map();
  for (const wish of [...wishes, { forceFallbackAdapter: true }]) {
    const adapter = await gpu.requestAdapter(wish);
    if (!adapter) continue;
    const { vendor, architecture, device, description, isFallbackAdapter = false } = adapter.info;
    const limits = {};
    for (const name in adapter.limits) limits[name] = adapter.limits[name];
    const info = { vendor, architecture, device, description, isFallbackAdapter };
    const told = { info, features: [...adapter.features], limits };
    found.set([vendor, device, description].join(), told);
  }
  process.stdout.write(JSON.stringify([...found.values()]), () => process.exit());
`;

const known = new Map<string, Promise<Adapters>>(); // by signature

/** @param cacheDirectory folder of the cached answer; without it, the answer is kept for this process only */
export async function findAdapters(cacheDirectory?: string): Promise<Adapters> {
  const module = webgpuModule();
  if (module === undefined) return { adapters: [], none: 'the npm package webgpu is not installed' };
  const { signature, none } = driverFiles();
  if (none !== undefined) return { adapters: [], none };
  const key = createHash('sha256')
    .update(`${signature}\n${stampOf(module)}`)
    .digest('hex');
  const finding = known.get(key) ?? cachedOrProbed(key, module, cacheDirectory);
  known.set(key, finding);
  return finding;
}

async function cachedOrProbed(key: string, module: string, cacheDirectory?: string): Promise<Adapters> {
  const path = cacheDirectory === undefined ? undefined : join(cacheDirectory, CACHE_FILE);
  const cached = path === undefined ? undefined : readCache(path);
  if (cached?.key === key) return cached.found;
  const { found, lasting } = await probe(module);
  if (lasting && path !== undefined) writeWhole(path, JSON.stringify({ key, found }));
  return found;
}

function readCache(path: string): { key: string; found: Adapters } | undefined {
  try {
    const { key, found } = JSON.parse(readFileSync(path, 'utf8'));
    return found.adapters.every(isInfo) ? { key, found } : undefined;
  } catch {
    return undefined; // none yet, or one that is damaged or has another shape
  }
}

function isInfo({ name, features, limits }: DeviceInfo): boolean {
  return typeof name === 'string' && Array.isArray(features) && typeof limits === 'object' && limits !== null;
}

/** The adapters, and whether a second probe would find the same. A probe that timed out proves nothing. */
function probe(module: string): Promise<{ found: Adapters; lasting: boolean }> {
  const args = ['--input-type=module', '--eval', PROBE, '--', pathToFileURL(module).href];
  return new Promise((resolve) => {
    const cwd = dirname(module); // libraries of drivers are also searched for in the working directory
    execFile(process.execPath, args, { cwd, timeout: PROBE_MS, killSignal: 'SIGKILL' }, (error, stdout) => {
      if (!error) return resolve({ found: reportOf(JSON.parse(stdout)), lasting: true });
      const none = `asking for an adapter failed: ${whyFailed(error)}`;
      resolve({ found: { adapters: [], none }, lasting: !error.killed && typeof error.signal === 'string' });
    });
  });
}

function reportOf(told: readonly AdapterFacts[]): Adapters {
  if (told.length === 0) return { adapters: [], none: 'the graphics drivers here offer no adapter' };
  return { adapters: told.map(describeAdapter) };
}

function whyFailed(error: Error & { killed?: boolean; signal?: NodeJS.Signals }): string {
  if (error.killed) return `its driver did not answer within ${PROBE_MS / 1000} s`;
  if (error.signal) return `its driver crashed (${error.signal})`;
  return error.message.split('\n').findLast((line) => line.trim() !== '') ?? 'no reason given';
}

/** The file of the package webgpu. */
function webgpuModule(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('webgpu');
  } catch {
    return undefined;
  }
}

function stampOf(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `${path} ${size} ${mtimeMs}`;
}
