import { describe, expect, it } from 'vitest';
import { lanePanel, linePanel, ratioPanel, rooflinePanel } from '../../cli/terminal/plot/svg.ts';
import { escapeXml, fitted, svgPage, svgPicture } from '../../cli/terminal/plot/svg-picture.ts';
import { elementsOf } from './xml.ts';

const HOSTILE = '</text><script>alert("1" & 2)</script>\x1b[31m';
const WIDTH = 440;

const lane = {
  mark: 'A',
  label: HOSTILE,
  value: 412,
  spread: 6,
  text: '412 ±6',
  color: 0,
  state: 'done',
} as const;
const lanes = {
  title: 'prefill',
  unit: 'tok/s',
  lanes: [lane, { ...lane, mark: 'B', value: 206, color: 7 }],
};
const ratio = { mark: 'A', label: 'cpu', median: 0.92, least: 0.88, most: 0.97, color: 0 };
const lines = {
  title: 'decode over time',
  x: { unit: 's', from: 0 },
  y: { unit: 'tok/s', from: 0 },
  series: [
    { name: 'a', points: [[0, 80] as const, [1, 70] as const], color: 1, faint: true },
    { name: 'b', points: [[0, 80] as const, [2, 90] as const], color: 1, mark: 'B' },
  ],
};

function roofline(count: number) {
  const dots = Array.from({ length: count }, (_, i) => ({
    ...{ mark: `${i + 1}`, label: `kernel ${i + 1}`, text: '38 GB/s', share: 0.71, color: i % 3 },
    ...{ intensity: 1 + (i % 7), speed: 2 + (i % 5) },
  }));
  return { title: 'roofline', roofs: [{ name: 'cpu', bandwidth: 13, peak: 98, color: 0 }], dots };
}

describe('panels', () => {
  it.each([
    ['lanes', lanePanel(lanes, WIDTH)],
    ['ratios', ratioPanel({ title: 'ratio', ratios: [ratio] }, WIDTH)],
    ['lines', linePanel(lines, WIDTH)],
    ['a roofline', rooflinePanel(roofline(3), WIDTH)],
    ['a crowded roofline', rooflinePanel(roofline(147), WIDTH)],
    ['no lines', linePanel({ ...lines, series: [] }, WIDTH)],
    ['no roofs', rooflinePanel({ ...roofline(1), roofs: [] }, WIDTH)],
  ])('%s: a picture without NaN', (_, panel) => {
    const picture = svgPicture(panel, { style: true });
    expect(elementsOf(picture)[0]).toBe('svg');
    expect(picture).not.toMatch(/NaN|Infinity|undefined/);
    expect(picture).toContain('prefers-color-scheme: dark');
    expect(picture).toContain(`viewBox="0 0 ${WIDTH} `);
  });

  it('bars are as long as their values, with the spread around their end', () => {
    const { body } = lanePanel(lanes, WIDTH);
    const bars = [...body.matchAll(/width="([\d.]+)" height="14" rx="3" class="fill c(\d)"/g)];
    expect(bars.map(([, , color]) => color)).toEqual(['0', '1']);
    expect(Number(bars[0]![1]) / Number(bars[1]![1])).toBeCloseTo(2, 1);
    expect(body.match(/class="whisker"/g)).toHaveLength(2);
    expect(body).toContain('412 ±6');
  });

  it('overlapping dots are moved apart, with a line to their place', () => {
    const alike = roofline(3).dots.map((dot) => ({ ...dot, intensity: 5, speed: 5 }));
    const { body } = rooflinePanel({ ...roofline(0), dots: alike }, WIDTH);
    const discs = [...body.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="8"/g)].slice(0, 3);
    const places = discs.map(([, x, y]) => [Number(x), Number(y)] as const);
    for (const [i, [x, y]] of places.entries())
      for (const [ox, oy] of places.slice(i + 1)) expect(Math.hypot(x - ox, y - oy)).toBeGreaterThan(16);
    expect(body.match(/<circle [^>]*r="2.5"/g)).toHaveLength(2);
  });

  it('every dot is in the legend with its figures', () => {
    const { body } = rooflinePanel(roofline(30), 900);
    expect(body.match(/38 GB\/s \(71 % of roof\)/g)).toHaveLength(30);
    expect(body).toContain('>13.0 GB/s<');
    expect(body).toContain('>98.0 GMAC/s<');
  });
});

describe('text', () => {
  it('is escaped, and loses control characters', () => {
    expect(escapeXml(HOSTILE)).toBe(
      '&lt;/text&gt;&lt;script&gt;alert(&quot;1&quot; &amp; 2)&lt;/script&gt;[31m',
    );
    const page = svgPage({ title: HOSTILE, notes: [HOSTILE], width: 960 }, [[lanePanel(lanes, WIDTH)]]);
    expect(elementsOf(page.trim())).not.toContain('script');
  });

  it('that is too long loses its middle', () => {
    expect(fitted('cpu', 100)).toBe('cpu');
    const cut = fitted('webgpu tg128 @ d4096 / llama-bench', 120);
    expect(cut).toMatch(/^webgpu.*….*bench$/);
    expect(cut.length).toBeLessThan(18);
  });
});

it('a page stacks rows of panels', () => {
  const panel = lanePanel(lanes, WIDTH);
  const page = svgPage({ title: 't', notes: ['a', 'b'], width: 960 }, [[panel, panel], [panel]]);
  const moves = [...page.matchAll(/<g transform="translate\((\S+) (\S+)\)">\n/g)].map(([, x, y]) => [
    Number(x),
    Number(y),
  ]);
  expect(moves).toHaveLength(3);
  expect(moves[0]![1]).toBe(moves[1]![1]);
  expect(moves[1]![0]! - moves[0]![0]!).toBeGreaterThan(WIDTH);
  expect(moves[2]![1]! - moves[0]![1]!).toBeGreaterThan(panel.height);
  expect(moves[2]![0]).toBe(moves[0]![0]);
});
