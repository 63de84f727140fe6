/** Gathers the facts: measures for a second, and asks the system for the rest. */
import { closeSync, openSync, readSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import type { Roofs } from '../../backends/backend.ts';
import { cpuQuota, throttledMs } from '../../backends/cpu/cores.ts';
import { selectBackend, usableCores } from '../../backends/select.ts';
import { freeMemory } from '../../core/free-memory.ts';
import { estimateMemory, graphFromGguf, modelLimits, readGguf } from '../../core/index.ts';
import type { CpuBackend, CpuSpeed, Facts, ModelRead } from './facts.ts';
import { emulation, power, processorTicks, swap } from './platform.ts';

export interface DoctorOptions {
  readonly threads?: number; // default: cores this process may use
  readonly modelPath?: string; // of a model on this machine
}

/** Throws UserError for a model file that cannot be read. */
export async function gatherFacts({ threads, modelPath }: DoctorOptions): Promise<Facts> {
  const [lastMinute] = loadavg(); // before the probes add to it
  const model = modelPath === undefined ? undefined : readModel(modelPath);
  const neededBytes = modelPath === undefined ? undefined : await memoryNeeded(modelPath);
  return {
    node: { version: process.versions.node, flags: nodeFlags() },
    emulation: emulation(),
    cpu: await probeCpu(threads ?? usableCores()),
    cores: { present: cpus().length, usable: availableParallelism(), quota: cpuQuota() },
    load: process.platform === 'win32' ? undefined : lastMinute,
    memory: { availableBytes: freeMemory() ?? totalmem(), neededBytes, ...swap() },
    model,
    power: power(),
  };
}

function nodeFlags(): string[] {
  return [...process.execArgv, ...(process.env.NODE_OPTIONS?.split(/\s+/).filter(Boolean) ?? [])];
}

const ROUNDS = 5;

async function probeCpu(threads: number): Promise<CpuBackend> {
  try {
    const one = await selectBackend('cpu', { threads: 1 });
    const all = await selectBackend('cpu', { threads });
    const [ticks, throttled] = [processorTicks(), throttledMs()];
    const rounds: { one: Roofs; all: Roofs }[] = [];
    for (let i = 0; i < ROUNDS; i++) rounds.push({ one: await one.roofs!(), all: await all.roofs!() });
    const speed: CpuSpeed = {
      threads,
      multiplyOne: rounds.map(({ one }) => one.multiplyAddsPerSecond),
      multiplyAll: rounds.map(({ all }) => all.multiplyAddsPerSecond),
      readAll: rounds.map(({ all }) => all.readBytesPerSecond),
      stolenShare: stolenSince(ticks),
      throttledMs: throttled === undefined ? undefined : (throttledMs() ?? throttled) - throttled,
    };
    await one.dispose();
    await all.dispose();
    return { description: all.description, speed };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

function stolenSince(before: ReturnType<typeof processorTicks>): number | undefined {
  const after = processorTicks();
  if (!before || !after || after.all === before.all) return undefined;
  return (after.stolen - before.stolen) / (after.all - before.all);
}

const MOST_READ = 256e6; // bytes

/** Speed at which a load would read the file now, cached by the system or not. */
function readModel(path: string): ModelRead {
  const buffer = Buffer.alloc(1 << 20);
  const file = openSync(path, 'r');
  try {
    const start = performance.now();
    let bytes = 0;
    for (let read = -1; read !== 0 && bytes < MOST_READ; bytes += read) read = readSync(file, buffer);
    return { path, bytes, bytesPerSecond: bytes / ((performance.now() - start) / 1e3) };
  } finally {
    closeSync(file);
  }
}

/** Memory for the default sizes of a model. */
async function memoryNeeded(path: string): Promise<number> {
  const gguf = await readGguf(path);
  const graph = graphFromGguf(gguf);
  const { weights, kv, arena } = estimateMemory(graph, modelLimits(gguf, graph.config));
  return weights + kv + arena;
}
