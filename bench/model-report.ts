/** Speeds of models as a table, as flat rows and as notes. */
import type { KernelTime } from '../backends/backend.ts';
import {
  type Column,
  digits,
  type FlatRow,
  NONE,
  percent,
  ROOF_LEGEND,
  type Table,
  tabulate,
  threadsInWords,
  toMarkdown,
  withSpread,
} from './formats.ts';
import type { TargetSpeed } from './model-speed.ts';
import type { SpeedRow } from './rows.ts';
import { isPrefill, labelOf } from './speed-test.ts';

const COLUMNS: readonly Column<SpeedRow>[] = [
  { title: 'model', cell: ({ model }) => model },
  { title: 'type', cell: ({ type }) => type },
  { title: 'backend', cell: ({ backend }) => backend },
  { title: 'threads', cell: ({ threads }) => threadsInWords(threads) },
  { title: 'kv_type', cell: ({ kv_type }) => `${kv_type} cache` },
  { title: 'test', cell: ({ test, depth }) => labelOf(test, depth) },
  { title: 'tok/s', cell: ({ tok_s, sd, samples }) => withSpread(tok_s, sd, samples.length), right: true },
  { title: 'median', cell: ({ median }) => digits(median), right: true, spare: 2 },
  { title: 'MB/token', cell: ({ bytes_per_token }) => digits(bytes_per_token / 1e6), right: true, spare: 3 },
  { title: 'memory', cell: memoryCell, right: true },
  { title: 'multiply', cell: ({ multiply_roof_share }) => percent(multiply_roof_share) || NONE, right: true },
  { title: 'peer', cell: ({ peer }) => (peer ? `beside ${peer.name}` : '') },
  { title: 'its tok/s', cell: ({ peer }) => (peer ? digits(peer.median) : ''), right: true, spare: 1 },
  { title: 'ratio', cell: ratioCell, right: true },
];

export function speedTable(rows: readonly SpeedRow[]): Table {
  return tabulate(COLUMNS, rows);
}

/** The peer's speed is its median. @param width of a terminal, in columns */
export function speedMarkdown(rows: readonly SpeedRow[], width?: number): string {
  return toMarkdown(COLUMNS, rows, width);
}

/** The meaning of tests and columns, a line each. */
export const SPEED_LEGEND: readonly string[] = [
  'pp512: prefill, reading 512 tokens. tg128: decode, writing 128 tokens.',
  `MB/token: data read. ${ROOF_LEGEND}`,
];

export function flatSpeedRow({ samples, peer, ratio, ratio_spread, ...row }: SpeedRow): FlatRow {
  return {
    ...row,
    samples: samples.join(' '),
    peer: peer?.name ?? null,
    peer_tok_s: peer?.tok_s ?? null,
    peer_median: peer?.median ?? null,
    ratio: ratio ?? null,
    ratio_least: ratio_spread?.[0] ?? null,
    ratio_most: ratio_spread?.[1] ?? null,
  };
}

/** Times before the counted runs, and the roofs that the shares refer to. */
export function targetNotes({ rows, start, roofs }: TargetSpeed): string[] {
  const [row] = rows;
  if (!row) return [];
  const on = [row.backend, threadsInWords(row.threads)].filter(Boolean).join(', ');
  const who = `${row.model} ${row.type}, ${on}, ${row.kv_type} cache`;
  const first = `first token of a ${start.prompt_tokens}-token prompt after ${digits(start.first_token_ms)} ms`;
  const notes = [
    `${who}: loaded in ${digits(start.load_ms)} ms, ${first}, warm-up ${digits(start.warm_up_ms)} ms`,
  ];
  if (roofs) {
    const { readBytesPerSecond, multiplyAddsPerSecond } = roofs;
    notes.push(
      `  roofs: memory ${digits(readBytesPerSecond / 1e9)} GB/s, multiply ${digits(multiplyAddsPerSecond / 1e9)} GMAC/s (8 bits)`,
    );
  }
  return notes;
}

/** Most standard deviation of a quiet machine, as a share of the speed. */
const QUIET = 0.1;

/** Reasons not to trust the figures, a line each. */
export function doubts(rows: readonly SpeedRow[]): string[] {
  const shares = rows.flatMap((row) => [row.memory_roof_share ?? 0, row.multiply_roof_share ?? 0]);
  const noisy = rows.filter(({ sd, tok_s }) => sd > QUIET * tok_s).length;
  return [
    ...(shares.some((share) => share > 1)
      ? [
          'above 100 %: the roof was measured while the machine was busy, or a processor cache holds the weights',
        ]
      : []),
    ...(noisy > 0
      ? [`noisy: the machine is shared; ${noisy} of ${rows.length} speeds vary by more than 10 %`]
      : []),
  ];
}

/** A dash for prefill: many tokens share one read of the weights, so it is never near the memory roof. */
function memoryCell({ test, memory_roof_share }: SpeedRow): string {
  return isPrefill(test) ? NONE : percent(memory_roof_share) || NONE;
}

function ratioCell({ ratio, ratio_spread }: SpeedRow): string {
  if (ratio === undefined || !ratio_spread) return '';
  const [least, most] = ratio_spread;
  return `${ratio.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
}

const KERNEL_COLUMNS: readonly Column<KernelTime>[] = [
  { title: 'kernel', cell: ({ kernel }) => kernel },
  { title: 'dispatches', cell: ({ dispatches }) => `${dispatches}`, right: true },
  { title: 'ms', cell: ({ seconds }) => digits(1e3 * seconds), right: true },
  { title: 'GB/s', cell: ({ bytes, seconds }) => digits(bytes / seconds / 1e9), right: true },
  {
    title: 'GFLOP/s',
    cell: ({ macs, seconds }) => (macs > 0 ? digits((2 * macs) / seconds / 1e9) : ''),
    right: true,
  },
];

/** Kernels of a profiled target, all runs together. Their roofs are in `targetNotes`. */
export function kernelNotes({ kernels = [], rows }: TargetSpeed): string[] {
  if (kernels.length === 0) return [`${rows[0]!.backend} has no clock for its kernels.`];
  return toMarkdown(KERNEL_COLUMNS, kernels).trimEnd().split('\n');
}
