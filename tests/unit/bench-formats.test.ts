import { describe, expect, it } from 'vitest';
import { digits, percent, toCsv, toMarkdown, toSql, withSpread } from '../../bench/formats.ts';
import { kernelMarkdown } from '../../bench/kernel-speed.ts';
import { doubts, flatSpeedRow, speedMarkdown, targetNotes } from '../../bench/model-report.ts';
import { keptCommand } from '../../bench/results.ts';
import type { SpeedRow } from '../../bench/rows.ts';
import { newestRows, savedRows, speedTable, withTable } from '../../scripts/speed-table.ts';

const ROW: SpeedRow = {
  model: 'SmolLM2 135M',
  type: 'Q4_1',
  backend: 'cpu',
  threads: 2,
  kv_type: 'f16',
  test: 'pp512',
  depth: 0,
  tok_s: 812.5,
  sd: 12.34,
  median: 810,
  samples: [800, 825],
  bytes_per_token: 250_000,
  memory_roof_share: 0.034,
  multiply_roof_share: 0.45,
};
const BESIDES: Partial<SpeedRow> = {
  peer: { name: 'llama-bench', tok_s: 330, sd: 3, median: 331, samples: [328, 332] },
  ratio: 2.4472,
  ratio_spread: [2.4, 2.5],
};
const WRITING: SpeedRow = {
  ...ROW,
  ...BESIDES,
  test: 'tg128x8',
  depth: 4096,
  bytes_per_token: 95.4e6,
  memory_roof_share: 0.6,
};

function withoutPeer({ peer: _, ratio: __, ratio_spread: ___, ...row }: SpeedRow): SpeedRow {
  return row;
}

describe('numbers', () => {
  it('have three digits or more', () => {
    expect([0, 1234.5, 99.96, 9.876, 0.01234, -0.5].map(digits)).toEqual([
      '0',
      '1235',
      '100.0',
      '9.88',
      '0.0123',
      '-0.500',
    ]);
  });

  it('shares are in per cent, unknown ones empty', () => {
    expect([0.034, 1.2, null].map(percent)).toEqual(['3 %', '120 %', '']);
  });
});

describe('tables', () => {
  it('Markdown states common values once, and omits empty columns', () => {
    expect(speedMarkdown([{ ...ROW, ...BESIDES }, WRITING])).toBe(
      [
        'SmolLM2 135M, Q4_1, cpu, 2 threads, f16 cache, beside llama-bench',
        '',
        '| test            |    tok/s | median | MB/token | memory | multiply | its tok/s |               ratio |',
        '| --------------- | -------: | -----: | -------: | -----: | -------: | --------: | ------------------: |',
        '| pp512           | 813 ± 12 |    810 |    0.250 |      - |     45 % |       331 | 2.45 (2.40 to 2.50) |',
        '| tg128x8 @ d4096 | 813 ± 12 |    810 |     95.4 |   60 % |     45 % |       331 | 2.45 (2.40 to 2.50) |',
        '',
      ].join('\n'),
    );
  });

  it('Markdown of kernels', () => {
    const kernel = {
      backend: 'cpu',
      threads: 1,
      op: 'matmul',
      type: 'Q4_0',
      shape: '4096 -> 4096',
      tokens: 1,
      ms: 0.519,
      gmac_s: 32.34,
      gb_s: 20.3,
      memory_roof_share: 0.7,
      multiply_roof_share: 0.07,
    };
    const rope = { ...kernel, op: 'rope', type: null, gmac_s: 0 };
    expect(kernelMarkdown([kernel, rope])).toBe(
      [
        'cpu, 1 thread, 4096 -> 4096',
        '',
        '| op     | type | tokens |    ms | GMAC/s | GB/s | memory | multiply |',
        '| ------ | ---- | -----: | ----: | -----: | ---: | -----: | -------: |',
        '| matmul | Q4_0 |      1 | 0.519 |   32.3 | 20.3 |   70 % |      7 % |',
        '| rope   |      |      1 | 0.519 |        | 20.3 |   70 % |          |',
        '',
      ].join('\n'),
    );
  });

  it('Markdown has a column for each value that differs, such as the type of the cache', () => {
    expect(speedMarkdown([ROW, { ...ROW, kv_type: 'q8' }])).toContain(
      [
        'SmolLM2 135M, Q4_1, cpu, 2 threads, pp512',
        '',
        '| kv_type   |    tok/s | median | MB/token | multiply |',
        '| --------- | -------: | -----: | -------: | -------: |',
        '| f16 cache | 813 ± 12 |    810 |    0.250 |     45 % |',
        '| q8 cache  |',
      ].join('\n'),
    );
  });

  it('a missing roof is a dash, and no column if all are missing', () => {
    const none = { memory_roof_share: null, multiply_roof_share: null };
    const cells = (rows: SpeedRow[]) =>
      speedMarkdown(rows)
        .trim()
        .split('\n')
        .map((line) =>
          line
            .split('|')
            .slice(-3, -1)
            .map((cell) => cell.trim()),
        );
    expect(
      cells([WRITING, { ...WRITING, ...none, backend: 'reference' }].map(withoutPeer)).slice(-2),
    ).toEqual([
      ['60 %', '45 %'],
      ['-', '-'],
    ]);
    expect(speedMarkdown([{ ...ROW, ...none }])).not.toContain('memory');
  });

  it('too wide for a terminal, leaves out the columns that are missed least', () => {
    const titles = (width: number) =>
      /^\| (.*) \|$/m.exec(speedMarkdown([ROW, WRITING].map(withoutPeer), width))![1];
    expect(titles(70)).toMatch(/MB\/token \| memory/);
    expect(titles(69)).toMatch(/ median \| memory \| multiply$/);
    expect(titles(58)).toMatch(/ tok\/s \| memory \| multiply$/);
    expect(titles(10)).toBe(titles(58));
  });

  it('the spread has the decimals of the value; one run has none', () => {
    expect([withSpread(266, 79.7, 5), withSpread(80.8, 1.13, 2), withSpread(266, 0, 1)]).toEqual([
      '266 ± 80',
      '80.8 ± 1.1',
      '266',
    ]);
  });

  it('a table without rows is empty', () => {
    expect(toMarkdown([{ title: 'a', cell: String }], [])).toBe('');
  });

  it('csv quotes text and leaves unknown cells empty', () => {
    expect(toCsv([{ name: 'a "b", c', tok_s: 1.5, share: null }])).toBe(
      'name,tok_s,share\n"a ""b"", c",1.5,\n',
    );
  });

  it('SQL makes the table and escapes text', () => {
    expect(toSql('speeds', [{ name: "it's", tok_s: 1.5, share: null }])).toBe(
      'CREATE TABLE IF NOT EXISTS speeds (\n  name TEXT,\n  tok_s REAL,\n  share REAL\n);\n' +
        "INSERT INTO speeds (name, tok_s, share) VALUES ('it''s', 1.5, NULL);\n",
    );
  });

  it('a flat row has the same columns with and without a peer', () => {
    const flat = flatSpeedRow(WRITING);
    expect(flat).toMatchObject({
      samples: '800 825',
      peer: 'llama-bench',
      peer_tok_s: 330,
      ratio: 2.4472,
      ratio_least: 2.4,
      ratio_most: 2.5,
    });
    expect(Object.keys(flatSpeedRow(ROW))).toEqual(Object.keys(flat));
    expect(flat.kv_type).toBe('f16');
  });
});

it('start-up times and roofs are separate from the rows', () => {
  const start = { load_ms: 181.4, first_token_ms: 623, prompt_tokens: 512, warm_up_ms: 1843 };
  const roofs = { readBytesPerSecond: 30.1e9, multiplyAddsPerSecond: 410e9 };
  expect(targetNotes({ rows: [ROW], start, roofs })).toEqual([
    'SmolLM2 135M Q4_1, cpu, 2 threads, f16 cache: loaded in 181 ms, first token of a 512-token prompt after 623 ms, warm-up 1843 ms',
    '  roofs: memory 30.1 GB/s, multiply 410 GMAC/s (8 bits)',
  ]);
  expect(targetNotes({ rows: [ROW], start })).toHaveLength(1);
});

it('reasons not to trust the figures are a line each', () => {
  expect(doubts([ROW, WRITING])).toEqual([]);
  const noisy = { ...ROW, sd: ROW.tok_s / 5 };
  expect(doubts([ROW, noisy])).toEqual([
    'noisy: the machine is shared; 1 of 2 speeds vary by more than 10 %',
  ]);
  expect(doubts([{ ...ROW, memory_roof_share: 1.2 }])).toEqual([
    'above 100 %: the roof was measured while the machine was busy, or a processor cache holds the weights',
  ]);
});

it('a stored command has no folders', () => {
  const words = ['-m', '/a/b/m.gguf,./n.gguf', '--peer', 'llama-bench=../bin/llama-bench', 'C:\\x\\y.gguf'];
  expect(keptCommand(words)).toBe('-m m.gguf,n.gguf --peer llama-bench=llama-bench y.gguf');
  const references = ['hf:owner/repo/file.gguf', 'https://host/x.gguf', 'pip:p==1.2#a/b.gguf', 'q4_0'];
  expect(keptCommand(references)).toBe(references.join(' '));
});

describe("README's table", () => {
  const machine = {
    cpu: 'EPYC',
    cores: 2,
    memory_bytes: 1,
    platform: 'linux-x64',
    node: '26',
    percept: '0.1.0',
    commit: '645786f',
  };
  const saved = (date: string, row: object) =>
    JSON.stringify({ date, machine, command: 'percept bench', ...ROW, ...row });
  const text = [
    saved('2026-11-22T10:00:00Z', { test: 'tg128', median: 150 }),
    saved('2026-11-23T10:00:00Z', { test: 'tg128', median: 160 }),
    saved('2026-11-23T09:00:00Z', { test: 'pp512', median: 900 }),
    '{"date":"2026-11-23T10:00:00Z","op":"rope","ms":1}',
    '',
  ].join('\n');

  it('holds the newest row of each test', () => {
    expect(speedTable(newestRows(savedRows(text)))).toBe(
      [
        'Measured on 2026-11-23 at commit 645786f: EPYC, 2 cores, linux-x64.',
        '',
        'SmolLM2 135M, cpu, 2 threads, Q4_1',
        '',
        '| test  | tok/s |     of the roof |',
        '| ----- | ----: | --------------: |',
        '| pp512 |   900 | 45 % (multiply) |',
        '| tg128 |   160 |    3 % (memory) |',
        '',
      ].join('\n'),
    );
    expect(speedTable([])).toBe('Nothing measured yet.\n');
  });

  it('names every machine, commit and date of its rows; no roof is a dash', () => {
    const [row] = newestRows(savedRows(text));
    const other = { ...row!, date: '2026-11-24', machine: { ...machine, commit: undefined } };
    const table = speedTable([
      { ...row!, multiply_roof_share: null },
      { ...other, test: 'tg1' },
    ]);
    expect(table).toContain('Measured on 2026-11-23 and 2026-11-24 at commit 645786f and unknown: EPYC, 2');
    expect(table).toMatch(/^\| pp512 \| +900 \| +- \|$/m);
  });

  it('is between its two marks', () => {
    const readme = 'before\n<!-- speed:begin -->\nold\n<!-- speed:end -->\nafter\n';
    const updated = withTable(readme, 'new\n');
    expect(updated).toBe('before\n<!-- speed:begin -->\nnew\n<!-- speed:end -->\nafter\n');
    expect(withTable(updated, 'new\n')).toBe(updated);
    expect(() => withTable('no marks', 'new\n')).toThrow('speed:begin');
  });
});
