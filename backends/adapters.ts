/**
 * The graphics adapters of this machine. They are asked for in a process of their own: a driver that crashes takes only
 * that along, and what Dawn and drivers print reaches nobody. The answer is kept in the caller's cache until the files of
 * drivers change, so that a start costs a look at them.
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
  readonly adapters: readonly DeviceInfo[]; // the one that is taken first
  /** Why there is none. */
  readonly none?: string;
}

const CACHE_FILE = 'adapters.json';
const PROBE_MS = 20_000; // a driver that takes longer hangs

/** What runs in the other process, with the place of the package webgpu as its argument; prints AdapterFacts[] as JSON. */
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

/** @param cacheDirectory where answers are kept; without it, for this process only */
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
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // none yet, or one that was broken off
  }
}

/** What there is, and whether asking again would give the same: a machine that is too busy says nothing. */
function probe(module: string): Promise<{ found: Adapters; lasting: boolean }> {
  const args = ['--input-type=module', '--eval', PROBE, '--', pathToFileURL(module).href];
  return new Promise((resolve) => {
    const cwd = dirname(module); // drivers' libraries are looked for in the working directory, too
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

/** The file that the package webgpu is loaded from. */
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
