import { describe, expect, it } from 'vitest';
import type { SpeedTest } from '../../bench/speed-test.ts';
import { afterEvent, type BenchState, plannedBench } from '../../cli/bench/state.ts';
import { columnsOf } from '../../cli/terminal/text/width.ts';
import { themeOf } from '../../cli/terminal/theme.ts';
import { dashboardLines, stacked } from '../../cli/tui/bench/dashboard.ts';
import { MACHINE, MEMORY, planOf, READ, stateAfter, WRITE } from './bench-events.ts';

const LONG = { ...READ, tokens: 2048 };
const PLAIN = themeOf({ color: 0, background: 'dark', ascii: false });
const ASCII = themeOf({ color: 0, background: 'dark', ascii: true });

function linesOf(state: BenchState, columns: number, rows: number, theme = PLAIN): string[] {
  return dashboardLines({ state, machine: MACHINE, seconds: 83 }, { columns, rows }, theme);
}

const KERNELS = Array.from({ length: 60 }, (_, i) => i).reduce(
  (state, i) => {
    const kernel = {
      backend: 'cpu',
      threads: 2,
      op: 'matmul',
      type: 'Q4_0',
      shape: `${i} -> 1536`,
      tokens: 1,
    };
    const speed = { ms: 1, gmac_s: 10 + i, gb_s: 7, memory_roof_share: 0.5, multiply_roof_share: 0.1 };
    const roofs = { readBytesPerSecond: 13e9, multiplyAddsPerSecond: 98e9 };
    const next = afterEvent(state, { kind: 'kernel', name: `matmul Q4_0 ${i} -> 1536, 1 token` });
    return afterEvent(next, { kind: 'kernel-row', row: { ...kernel, ...speed }, roofs, memory: MEMORY });
  },
  plannedBench({ total: 60 }),
);

describe('a bench of models', () => {
  it('at 80 x 24', () => {
    const lines = linesOf(stateAfter(), 80, 24);
    expect(lines).toHaveLength(23);
    expect(lines.slice(0, 7)).toEqual([
      'percept bench  SmolLM2 135M Q4_1, 2 threads, q8 cache',
      'AMD EPYC, 2 cores, linux-x64, Node 26.10.0, percept 0.1.0 (645786f)',
      '',
      'prefill, tok/s',
      `A cpu pp512 ▕${'█'.repeat(54)}▎▏    485 ±7`,
      'decode, tok/s',
      `B cpu tg128 ▕${'█'.repeat(54)}▎▏ 80.8 ±1.1`,
    ]);
    expect(lines.slice(-4)).toEqual([
      '',
      'loaded in 0.600 s · process memory 351.0 MB · weights 98.0 MB · cache 12.0 MB …',
      '1:23 ▕████████████▌  ▏ run 6 of 6  tg128, percept: 81.6 tok/s',
      'Esc or q stop and leave · the table of the runs so far is printed',
    ]);
    const plots = lines.findIndex((line) => line.startsWith('decode over its tokens, tok/s'));
    expect(lines[plots - 1]).toBe('');
    expect(lines[plots]).toMatch(/ {2}roofline {2}13\.0 GB\/s, 98\.0 GMAC\/s$/);
    expect(lines.join('\n')).toMatch(/ {2}B cpu tg128 7\.84 GB\/s \(60 % of roof\)$/m);
  });

  it('on a wide screen, prefill is beside decode, above its curve', () => {
    const lines = linesOf(stateAfter({ tests: [LONG, WRITE] }), 120, 40);
    const titles = lines.find((line) => line.startsWith('prefill, tok/s'))!;
    const curves = lines.find((line) => line.startsWith('prefill over its tokens'))!;
    expect(titles.indexOf('decode')).toBe(curves.indexOf('decode over its tokens'));
    expect(lines.length).toBeLessThanOrEqual(39);
  });

  it('prefill has a curve only if a run has several steps, and on a screen of 30 rows or more', () => {
    const curves = (tests: readonly SpeedTest[], rows: number) =>
      linesOf(stateAfter({ tests }), 120, rows).flatMap(
        (line) => line.match(/\w+(?= over its tokens)/g) ?? [],
      );
    expect(curves([READ, WRITE], 40)).toEqual(['decode']);
    expect(curves([LONG, WRITE], 40)).toEqual(['prefill', 'decode']);
    expect(curves([LONG, WRITE], 29)).toEqual(['decode']);
    expect(curves([LONG], 29)).toEqual(['prefill']);
  });

  it('the least important parts are dropped first', () => {
    const shown = (rows: number) => {
      const text = linesOf(stateAfter({ peer: 'llama-bench' }), 80, rows).join('\n');
      const parts = {
        memory: 'process memory',
        machine: 'AMD EPYC',
        roofline: 'roofline',
        curves: 'over its tokens',
      };
      const rest = { ratios: 'multiple of the peer', lanes: 'decode, tok/s', progress: 'run 6 of 6' };
      return Object.entries({ ...parts, ...rest }).flatMap(([name, part]) =>
        text.includes(part) ? name : [],
      );
    };
    expect(shown(40)).toEqual(['memory', 'machine', 'roofline', 'curves', 'ratios', 'lanes', 'progress']);
    expect(shown(20)).toEqual(['memory', 'machine', 'roofline', 'curves', 'ratios', 'lanes', 'progress']);
    expect(shown(12)).toEqual(['machine', 'ratios', 'lanes', 'progress']);
    expect(shown(10)).toEqual(['ratios', 'lanes', 'progress']);
    expect(shown(6)).toEqual(['lanes', 'progress']);
  });

  it('with too many lanes, shows those around the running one', () => {
    const backends = Array.from({ length: 12 }, (_, i) => `backend${i}`);
    const text = linesOf(stateAfter({ backends }, 96), 60, 12).join('\n'); // half of them are finished
    expect(text).toContain('H backend3 tg128');
    expect(text).not.toContain('backend0 ');
    expect(text).not.toContain('backend5 ');
  });
});

describe('a bench of kernels', () => {
  it('lists the latest kernels in the legend, each with its letter', () => {
    const lines = linesOf(KERNELS, 120, 30);
    const legend = lines.flatMap((line) => /([A-Za-z]) q4_0 (\d+) -> 1536 x 1/.exec(line)?.slice(1, 3) ?? []);
    const [letters, numbers] = [legend.filter((_, i) => i % 2 === 0), legend.filter((_, i) => i % 2 === 1)];
    expect(new Set(letters).size).toBe(letters.length);
    expect(numbers.at(-1)).toBe('59');
    expect(Number(numbers[0])).toBe(60 - numbers.length);
    expect(lines.at(-2)).toContain('60 of 60  matmul Q4_0 59 -> 1536, 1 token');
  });

  it('a low screen shows the latest measurement', () => {
    const lines = linesOf(KERNELS, 40, 8);
    expect(lines.join('\n')).toContain('q4_0 59');
    expect(lines.join('\n')).not.toContain('┤');
  });
});

describe('any screen', () => {
  const states = [
    plannedBench(planOf({})),
    plannedBench({ total: 3 }),
    KERNELS,
    stateAfter({}, 7),
    stateAfter({
      backends: ['cpu', 'webgpu', 'gpujs'],
      peer: 'llama-bench',
      model: '大きなモデル'.repeat(20),
    }),
  ];

  it('is never too wide nor too high', () => {
    for (const state of states)
      for (const theme of [PLAIN, ASCII])
        for (const [columns, rows] of [
          [120, 40],
          [80, 24],
          [60, 16],
          [40, 10],
          [20, 6],
          [8, 3],
        ] as const) {
          const lines = linesOf(state, columns, rows, theme);
          expect(lines.length).toBeLessThan(rows);
          expect(Math.max(...lines.map(columnsOf))).toBeLessThan(columns);
        }
  });

  it('without glyphs it is ASCII, apart from the text itself', () => {
    const text = linesOf(stateAfter({ peer: 'llama-bench' }), 120, 40, ASCII).join('');
    expect(text.replaceAll('±', '')).toMatch(/^[ -~]*$/);
  });

  it('a name cannot control the terminal', () => {
    const lines = linesOf(stateAfter({ model: 'evil\x1b[2J\u202e' }), 80, 24);
    expect(lines[0]).toContain('evil␛[2J');
    const target = { backend: 'cpu', threads: 2 };
    const targets = ['a\x1b[2J', 'b\x1b[2J'].map((name) => ({ ...target, path: `/${name}.gguf` }));
    const many = linesOf(plannedBench({ ...planOf({}), targets }), 120, 40).join('\n');
    expect(many).toContain('a␛[2J');
    expect(many).not.toContain('\x1b');
  });
});

describe('blocks', () => {
  const block = (name: string, importance: number, least: number, more = {}) => ({
    ...{ importance, least, lines: (rows: number) => Array.from({ length: rows }, () => name) },
    ...more,
  });

  it('keep their order; the least important do not fit', () => {
    const blocks = [block('a', 1, 2), block('b', 3, 2), block('c', 2, 1)];
    expect(stacked(blocks, 5)).toEqual(['a', 'a', 'b', 'b', 'c']);
    expect(stacked(blocks, 4)).toEqual(['b', 'b', 'c']);
    expect(stacked(blocks, 1)).toEqual(['c']);
    expect(stacked([block('a', 0, 1)], 5)).toEqual([]);
  });

  it('minimum sizes come before other blocks, extra space after gaps', () => {
    const blocks = [block('a', 2, 1, { wanted: 3, gap: true }), block('b', 1, 1, { most: 9 })];
    expect(stacked(blocks, 2)).toEqual(['a', 'a']);
    expect(stacked(blocks, 4)).toEqual(['a', 'a', 'a', 'b']);
    expect(stacked(blocks, 7)).toEqual(['a', 'a', 'a', '', 'b', 'b', 'b']);
  });
});
