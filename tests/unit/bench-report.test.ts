import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkFiles, writeReport } from '../../cli/bench/report.ts';
import { afterEvent, plannedBench } from '../../cli/bench/state.ts';
import { MACHINE, MEMORY, stateAfter } from './bench-events.ts';
import { elementsOf } from './xml.ts';

const HOSTILE = '</script><script>alert(1)</script><!-- "&';

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'percept-report-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const TABLE = {
  common: [HOSTILE, 'Q4_1'],
  columns: [
    { title: 'test', cells: ['pp512', 'tg128'] },
    { title: 'tok/s', cells: ['485 ± 6.79', '80.8 ± 1.13'], right: true as const },
  ],
};

function reported(model = HOSTILE) {
  const state = stateAfter({ backends: ['cpu', 'webgpu'], peer: 'llama-bench', model });
  return {
    state,
    machine: MACHINE,
    table: TABLE,
    legend: ['pp512: <prefill>'],
    rows: [{ model, test: 'pp512', tok_s: 485 }],
  };
}

function written(name: string, of: ReturnType<typeof reported>): string {
  const file = join(emptyFolder(), name);
  checkFiles({ report: file });
  writeReport(file, of);
  return readFileSync(file, 'utf8');
}

describe('a picture', () => {
  it('is XML and has the figures, the machine and the commit', () => {
    const svg = written('bench.svg', reported());
    expect(elementsOf(svg.trim())[0]).toBe('svg');
    expect(elementsOf(svg.trim())).not.toContain('script');
    const texts = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
    for (const text of [
      'cpu pp512',
      '485 ±7',
      'webgpu tg128',
      '80.8 ±1.1',
      '7.84 GB/s (60 % of roof)',
      '4.85',
      '0.80 to 0.82',
    ])
      expect(texts).toContain(text);
    expect(texts).toContain('AMD EPYC, 2 cores, linux-x64');
    expect(texts.join()).toMatch(/\d{4}-\d\d-\d\d, percept 0\.1\.0 \(645786f\), Node 26\.10\.0/);
    expect(svg).not.toMatch(/https?:\/\/(?!www\.w3\.org)|NaN|undefined/);
  });

  it('of kernels has a roofline for each backend', () => {
    const kernel = { backend: 'cpu', op: 'matmul', type: 'Q4_0', shape: '576 -> 1536', tokens: 1, ms: 1 };
    const speed = { gmac_s: 12, gb_s: 7, memory_roof_share: 0.5, multiply_roof_share: 0.1 };
    const roofs = { readBytesPerSecond: 13e9, multiplyAddsPerSecond: 98e9 };
    const state = [1, 2].reduce(
      (state, threads) =>
        afterEvent(state, {
          kind: 'kernel-row',
          row: { ...kernel, ...speed, threads },
          roofs,
          memory: MEMORY,
        }),
      plannedBench({ total: 2 }),
    );
    const svg = written('k.svg', { ...reported(), state });
    expect(svg.match(/>q4_0 576 -&gt; 1536 x 1</g)).toHaveLength(2);
    expect(svg).toContain('>cpu, 1 thread<');
  });
});

describe('a page', () => {
  it('needs no other file, fits a telephone, and has pictures, table and rows', () => {
    const html = written('bench.html', reported('SmolLM2'));
    expect(html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(html).not.toMatch(/\b(?:src|href)=/);
    const pictures = html.match(/<svg [\s\S]*?<\/svg>/g)!;
    expect(pictures).toHaveLength(5); // two of lanes, a curve, roofline, ratios
    for (const picture of pictures) elementsOf(picture);
    expect(html).toContain('<tr><td>pp512</td><td class="number">485 ± 6.79</td></tr>');
    expect(html).toContain('<p>pp512: &lt;prefill&gt;</p>');
    const rows = /<script type="application\/json" id="rows">(.*)<\/script>/.exec(html)![1]!;
    expect(JSON.parse(rows)).toMatchObject({ machine: MACHINE, rows: [{ model: 'SmolLM2', tok_s: 485 }] });
  });

  it('text from a model file stays text', () => {
    const html = written('bench.html', reported());
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).not.toContain('<!--');
    const rows = /<script type="application\/json" id="rows">(.*)<\/script>/.exec(html)![1]!;
    expect(JSON.parse(rows).rows[0].model).toBe(HOSTILE);
  });
});

describe('the file', () => {
  it.each(['bench.png', 'bench', 'svg', 'bench.svg.txt'])(
    '%s: an unknown extension is a usage error',
    (file) => {
      expect(() => checkFiles({ report: file })).toThrow(expect.objectContaining({ kind: 'usage' }));
    },
  );

  it('extensions may be in capitals', () => {
    expect(written('BENCH.SVG', reported())).toMatch(/^<svg /);
  });

  it('a missing folder is reported before anything is measured', () => {
    const folder = emptyFolder();
    writeFileSync(join(folder, 'a'), '');
    for (const file of [join(folder, 'missing', 'b.svg'), join(folder, 'a', 'b.svg')]) {
      expect(() => checkFiles({ report: file })).toThrow(`--report ${file}: there is no folder`);
      expect(() => checkFiles({ save: file })).toThrow(`--save ${file}: there is no folder`);
    }
    expect(() => checkFiles({ save: join(folder, 'new.jsonl') })).not.toThrow();
  });

  it('is written atomically', () => {
    const folder = emptyFolder();
    mkdirSync(join(folder, 'b.svg'));
    expect(() => writeReport(join(folder, 'b.svg'), reported())).toThrow('could not be written');
    expect(readdirSync(folder)).toEqual(['b.svg']);
  });
});
