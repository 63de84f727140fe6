import { describe, expect, it } from 'vitest';
import type { LaneScene, LineScene, Point, RooflineScene } from '../../cli/terminal/plot/scene.ts';
import {
  laneLines,
  lineChart,
  ratioLines,
  rooflineChart,
  rooflineLegend,
} from '../../cli/terminal/plot/terminal.ts';
import { columnsOf } from '../../cli/terminal/text/width.ts';
import { themeOf } from '../../cli/terminal/theme.ts';

const PLAIN = themeOf({ color: 0, background: 'dark', ascii: false });
const ASCII = themeOf({ color: 0, background: 'dark', ascii: true });

function scene(points: readonly Point[], more: Partial<LineScene['series'][0]> = {}): LineScene {
  const series = [{ name: 'a', points, color: 0, ...more }];
  return { title: 't', x: { unit: 's', from: 0 }, y: { unit: 'tok/s', from: 0 }, series };
}

const RISING: readonly Point[] = [
  [0, 0],
  [4, 100],
];

describe('lines', () => {
  it('are drawn between axes, with values to the left and the unit after the last tick', () => {
    expect(lineChart(scene(RISING, { mark: 'A' }), { columns: 18, rows: 7 }, PLAIN)).toEqual([
      '100 ┤        ⢀⠔⠁A ',
      '    │      ⢀⠔⠁    ',
      ' 50 ┤    ⡠⠔⠁      ',
      '    │  ⡠⠊         ',
      '  0 ┤⡠⠊           ',
      '    └────────────┴',
      '     0         5 s',
    ]);
  });

  it('a low chart has no line below; one without glyphs is equivalent', () => {
    expect(lineChart(scene(RISING), { columns: 18, rows: 5 }, ASCII)).toEqual([
      "100 +        .:'  ",
      "    |     .:'     ",
      "    |  ..''       ",
      "  0 +.:'          ",
      '     0         5 s',
    ]);
  });

  it('every line has the requested width, at any size', () => {
    for (const theme of [PLAIN, ASCII])
      for (const columns of [10, 17, 40, 120])
        for (const rows of [3, 5, 6, 12]) {
          const lines = lineChart(scene(RISING), { columns, rows }, theme);
          expect(lines.map(columnsOf)).toEqual(lines.map(() => columns));
          expect(lines).toHaveLength(rows);
        }
  });

  it('a spike survives, however many points share its column', () => {
    const points = Array.from({ length: 10_000 }, (_, i): Point => [i, i === 4321 ? 90 : 10]);
    const lines = lineChart(scene(points), { columns: 40, rows: 8 }, ASCII);
    expect(lines[0]).toContain('.');
    expect(lines.join('').match(/'/g)!.length).toBeLessThan(60); // and no other column rises
  });

  it('a value of NaN is a gap', () => {
    const ys = [1, 1, Number.NaN, 1, 1];
    const points = ys.map((y, x): Point => [x, y]);
    expect(lineChart(scene(points), { columns: 30, rows: 5 }, ASCII)[0]).toBe(
      "1 +'''''''             '''''''",
    );
  });

  it('nothing to draw is an empty frame', () => {
    expect(lineChart(scene([]), { columns: 12, rows: 3 }, ASCII)).toEqual([
      '1 +         ',
      '0 +         ',
      '   0     1 s',
    ]);
  });
});

describe('lanes', () => {
  const lanes: LaneScene = {
    title: 'decode',
    unit: 'tok/s',
    lanes: [
      { mark: 'A', label: 'cpu', value: 400, spread: 0, text: '400 ±6', color: 0, state: 'done' },
      { mark: 'B', label: 'webgpu', value: 100, text: '100', color: 1, state: 'running' },
      { mark: 'C', label: 'gpujs', text: 'waits', color: 2, state: 'waiting' },
    ],
  };

  it('are bars on one scale from zero', () => {
    expect(laneLines(lanes, 28, PLAIN)).toEqual([
      'A cpu    ▕██████████▏ 400 ±6',
      'B webgpu ▕██▌       ▏    100',
      'C gpujs  ▕          ▏  waits',
    ]);
    expect(laneLines(lanes, 28, ASCII)[1]).toBe('B webgpu [###       ]    100');
  });

  it('drop the bar if there is no room, then cut names in the middle', () => {
    expect(laneLines(lanes, 20, PLAIN)[0]).toBe('A cpu    400 ±6');
    expect(laneLines(lanes, 13, PLAIN)[1]).toBe('B we…u    100');
    const padded = {
      ...lanes,
      lanes: lanes.lanes.map((lane) => ({ ...lane, label: lane.label.padEnd(20) })),
    };
    expect(laneLines(padded, 13, PLAIN)[1]).toBe('B we…u    100');
  });

  it('ratios are ranges around 1, with a half as far from it as a double', () => {
    const ratio = { mark: 'A', label: 'cpu', color: 0 };
    const ratios = [
      { ...ratio, median: 0.6, least: 0.5, most: 0.8 },
      { ...ratio, median: 1.5, least: 1.2, most: 2 },
    ];
    expect(ratioLines({ title: '', ratios }, 50, PLAIN)).toEqual([
      'A cpu ▕ ├─●───┤   │          ▏ 0.60 (0.50 to 0.80)',
      'A cpu ▕           │ ├──●───┤ ▏ 1.50 (1.20 to 2.00)',
    ]);
  });
});

describe('rooflines', () => {
  const roofline: RooflineScene = {
    title: 'roofline',
    roofs: [{ name: 'cpu', bandwidth: 10, peak: 100, color: 0 }],
    dots: [
      { mark: 'A', label: 'pp512', text: '80 GMAC/s', share: 0.8, intensity: 1000, speed: 80, color: 0 },
      { mark: 'B', label: 'tg128', text: '7 GB/s', share: 0.7, intensity: 1, speed: 7, color: 1 },
    ],
  };

  it('rise to the ridge and are flat after it; letters are below them', () => {
    const lines = rooflineChart(roofline, { columns: 44, rows: 10 }, PLAIN);
    expect(lines.map((line) => line.trimEnd())).toEqual([
      '    │',
      '100 ┤            ⢀⠤⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒A⠒⠒⠒',
      '    │         ⢀⡠⠒⠁',
      '    │       ⡠⠒⠁',
      '    │    ⡠⠔⠉',
      ' 10 ┤ ⣀⠔B',
      '    │⠊',
      '    │',
      '    └───┴──────────┴─────────┴──────────┴───',
      '        1         10        100   1000 MAC/B',
    ]);
  });

  it('a kernel without a name is a dot, not in the legend', () => {
    const dots = roofline.dots.map((dot, i) => ({ ...dot, faint: i === 0 }));
    const lines = rooflineChart({ ...roofline, dots }, { columns: 44, rows: 10 }, PLAIN);
    expect(lines[1]).toMatch(/┤ +⢀⠤⠒+⠲⠒+$/);
    expect(lines[5]).toContain('B');
    expect(rooflineLegend({ ...roofline, dots }, 40, PLAIN)).toEqual(['B tg128 7 GB/s (70 % of roof)']);
  });

  it('a narrow legend is short', () => {
    expect(rooflineLegend(roofline, 40, PLAIN)).toEqual([
      'A pp512 80 GMAC/s (80 % of roof)',
      'B tg128 7 GB/s (70 % of roof)',
    ]);
    expect(rooflineLegend(roofline, 24, PLAIN)).toEqual(['A pp512 80 GMAC/s 80 %', 'B tg128 7 GB/s 70 %']);
    const [first] = rooflineLegend(
      { ...roofline, dots: [{ ...roofline.dots[0]!, share: undefined }] },
      40,
      PLAIN,
    );
    expect(first).toBe('A pp512 80 GMAC/s');
  });
});
