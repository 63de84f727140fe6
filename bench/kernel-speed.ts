/** Speed of one kernel, compared with the roofs of its backend. */
import type { Backend, Executable, Roofs } from '../backends/backend.ts';
import { selectBackend } from '../backends/select.ts';
import { directories } from '../core/directories.ts';
import type { TimedCase } from './conformance/cases.ts';
import { nameOf } from './conformance/op-case.ts';
import { memoryOf, type Observer } from './events.ts';
import {
  type Column,
  digits,
  percent,
  ROOF_LEGEND,
  type Table,
  tabulate,
  threadsInWords,
  toMarkdown,
} from './formats.ts';
import type { KernelRow } from './rows.ts';
import { median } from './statistics.ts';
import { roofShares } from './work.ts';

export interface KernelTarget {
  readonly backend: string;
  readonly threads?: number; // default: cores this process may use
}

export interface KernelOptions {
  readonly signal?: AbortSignal;
  readonly observer?: Observer;
}

/** Times one case on a backend of its own, so that its memory is freed afterwards, and then probes the roofs. */
export async function measureKernel(
  { backend: name, threads }: KernelTarget,
  kernel: TimedCase,
  { signal, observer }: KernelOptions = {},
): Promise<KernelRow> {
  observer?.({ kind: 'kernel', name: nameOf(kernel) });
  const backend = await selectBackend(name, { threads, cacheDirectory: directories().cache });
  try {
    const { program, held, repeats } = kernel.timing;
    const executable = await backend.compile(program(backend));
    await fill(executable, held, signal);
    const opSeconds = (await timeSteps(executable, held, kernel.tokens, signal)) / repeats;
    const cacheBytes = kernel.op === 'attention' ? executable.memory.kv / repeats : 0; // a layer's
    const work = { ...kernel.work, bytes: kernel.work.bytes + cacheBytes };
    const roofs = await backend.roofs?.();
    const row = rowOf({ ...kernel, work }, backend, opSeconds, roofs);
    observer?.({ kind: 'kernel-row', row, roofs, memory: memoryOf(executable) });
    return row;
  } finally {
    await backend.dispose();
  }
}

async function fill(executable: Executable, held: number, signal?: AbortSignal): Promise<void> {
  for (let pos = 0; pos < held; pos += 512) {
    signal?.throwIfAborted();
    await submit(executable, pos, Math.min(512, held - pos));
  }
}

const LEAST_RUNS = 3;
const MOST_RUNS = 100;
const ENOUGH_SECONDS = 0.3;
const ONE_IS_ENOUGH_SECONDS = 2;

/** Median seconds of a step, after a warm-up. A step of more than 2 s is timed once. */
async function timeSteps(
  executable: Executable,
  held: number,
  tokens: number,
  signal?: AbortSignal,
): Promise<number> {
  const first = await seconds(() => submit(executable, held, tokens));
  if (first > ONE_IS_ENOUGH_SECONDS) return first;
  const times: number[] = [];
  for (let total = 0; times.length < LEAST_RUNS || total < ENOUGH_SECONDS; total += times.at(-1)!) {
    if (times.length === MOST_RUNS) break;
    signal?.throwIfAborted();
    times.push(await seconds(() => submit(executable, held, tokens)));
  }
  return median(times);
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1e3;
}

async function submit(executable: Executable, pos: number, count: number): Promise<void> {
  const slices = [{ seq: 0, pos, tokens: new Uint32Array(count) }];
  await executable.submit({ slices });
}

function rowOf(
  { op, type, shape, tokens, work }: TimedCase,
  { name: backend, threads }: Backend,
  opSeconds: number,
  roofs: Roofs | undefined,
): KernelRow {
  const shares = roofShares(work, 1 / opSeconds, roofs);
  return {
    backend,
    threads,
    op,
    type: type ?? null,
    shape,
    tokens,
    ms: opSeconds * 1e3,
    gmac_s: work.macs / opSeconds / 1e9,
    gb_s: work.bytes / opSeconds / 1e9,
    memory_roof_share: shares.memory,
    multiply_roof_share: shares.multiply,
  };
}

const COLUMNS: readonly Column<KernelRow>[] = [
  { title: 'backend', cell: ({ backend }) => backend },
  { title: 'threads', cell: ({ threads }) => threadsInWords(threads) },
  { title: 'op', cell: ({ op }) => op },
  { title: 'type', cell: ({ type }) => type ?? '' },
  { title: 'shape', cell: ({ shape }) => shape },
  { title: 'tokens', cell: ({ tokens }) => `${tokens}`, right: true },
  { title: 'ms', cell: ({ ms }) => digits(ms), right: true },
  { title: 'GMAC/s', cell: ({ gmac_s }) => (gmac_s > 0 ? digits(gmac_s) : ''), right: true, spare: 2 },
  { title: 'GB/s', cell: ({ gb_s }) => digits(gb_s), right: true, spare: 1 },
  { title: 'memory', cell: ({ memory_roof_share }) => percent(memory_roof_share), right: true },
  {
    title: 'multiply',
    cell: (row) => (row.gmac_s > 0 ? percent(row.multiply_roof_share) : ''),
    right: true,
  },
];

export function kernelTable(rows: readonly KernelRow[]): Table {
  return tabulate(COLUMNS, rows);
}

/** @param width of a terminal, in columns */
export function kernelMarkdown(rows: readonly KernelRow[], width?: number): string {
  return toMarkdown(COLUMNS, rows, width);
}

/** The meaning of the columns, a line each. */
export const KERNEL_LEGEND: readonly string[] = [
  'tokens: of a step. ms: the median time of one op. GB/s: weights, cache and activations.',
  ROOF_LEGEND,
];
