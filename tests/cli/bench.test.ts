import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, percept, TINY_MODEL } from './percept.ts';

const QUICK = ['bench', '-m', TINY_MODEL, '-p', '8', '-n', '4', '-r', '2', '--threads', '1'];
const ROW_KEYS = [
  ...['model', 'type', 'backend', 'threads', 'kv_type', 'test', 'depth', 'tok_s', 'sd', 'median'],
  ...['samples', 'bytes_per_token', 'memory_roof_share', 'multiply_roof_share'],
];

interface Row {
  readonly backend: string;
  readonly threads: number;
  readonly test: string;
  readonly depth: number;
  readonly tok_s: number;
  readonly samples: readonly number[];
  readonly memory_roof_share: number | null;
}

describe('percept bench', () => {
  it('--json is one object: the machine and a row a test', async () => {
    const { stdout, stderr, code } = await percept([...QUICK, '--json']);
    expect(code, stderr).toBe(0);
    const { machine, rows, ...more } = JSON.parse(stdout);
    expect(more).toEqual({});
    expect(machine.cores).toBeGreaterThan(0);
    expect(rows.map(({ test }: Row) => test)).toEqual(['pp8', 'tg4']);
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(ROW_KEYS);
      expect(row).toMatchObject({ type: 'Q8_0', backend: 'cpu', threads: 1, kv_type: 'q8', depth: 0 });
      expect(row.samples).toHaveLength(2);
      expect(row.tok_s).toBeCloseTo((row.samples[0] + row.samples[1]) / 2, 6);
      expect(row.memory_roof_share).toBeGreaterThan(0);
    }
    expect(stderr).toMatch(/loaded in .* first token of a 8-token prompt after .* warm-up .*\n +roofs: /);
  });

  it('runs every combination of lists; a flag may be repeated', async () => {
    const lists = ['-d', '0,4', '-b', '1', '-b', '2', '--backend', 'cpu,reference', '-r', '1'];
    const { stdout } = await percept([...QUICK, ...lists, '--jsonl', '--quiet']);
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
    expect(rows.map(({ backend, test, depth }) => `${backend} ${test} ${depth}`)).toEqual(
      ['cpu', 'reference'].flatMap((backend) =>
        [0, 4].flatMap((depth) => ['pp8', 'tg4', 'tg4x2'].map((test) => `${backend} ${test} ${depth}`)),
      ),
    );
    expect(rows.at(-1)!.memory_roof_share).toBeNull(); // the reference has no roofs
  });

  it('prints a row for each type of cache, in every format', async () => {
    const args = ['bench', '-m', TINY_MODEL, '-p', '0', '-n', '4', '-r', '1', '--kv-type', 'f32,f16'];
    const formats = [['--jsonl'], ['-o', 'csv'], ['-o', 'sql'], ['-o', 'md']];
    const [jsonl, csv, sql, md] = await Promise.all(
      formats.map(async (format) => (await percept([...args, ...format])).stdout),
    );
    const rows = jsonl!
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ kv_type }) => kv_type)).toEqual(['f32', 'f16']);
    expect(rows[0].bytes_per_token).toBeGreaterThan(rows[1].bytes_per_token);
    expect(csv).toMatch(/^model,type,backend,threads,kv_type,.*\n.*,"f32",.*\n.*,"f16",.*\n$/);
    expect(sql).toMatch(/^ {2}kv_type TEXT,$/m);
    expect(md).toMatch(/^\| kv_type .*\n.*\n\| f32 cache \|.*\n\| f16 cache \|/m);
  });

  it('a model that cannot be loaded does not lose the rows of those before it', async () => {
    const broken = join(emptyFolder(), 'broken.gguf');
    writeFileSync(broken, 'AMD');
    const { stdout, stderr, code } = await percept([...QUICK, '-m', broken]);
    expect(stdout).toMatch(/^\| tg4 +\|/m);
    expect(stderr).toContain('error: Expected 4 more bytes');
    expect(code).toBe(1);
  });

  it('alternates with a peer', async () => {
    const peer = join(emptyFolder(), 'llama-bench');
    writeFileSync(peer, `#!${process.execPath}\nconsole.log('[{"avg_ts":1000}]');\n`, { mode: 0o755 });
    const { stdout, stderr } = await percept([...QUICK, '--peer', `llama-bench=${peer}`, '--json']);
    const [row] = JSON.parse(stdout || `[${stderr}]`).rows;
    expect(Object.keys(row)).toEqual([...ROW_KEYS, 'peer', 'ratio', 'ratio_spread']);
    expect(row.peer).toEqual({
      name: 'llama-bench',
      tok_s: 1000,
      sd: 0,
      median: 1000,
      samples: [1000, 1000],
    });
    expect(row.ratio).toBeCloseTo(row.median / 1000, 9);
  });

  it('a table fits 100 columns; csv and SQL have a line a row', async () => {
    const [md, csv, sql] = await Promise.all(
      ['md', 'csv', 'sql'].map((format) => percept([...QUICK, '-o', format])),
    );
    expect(md!.stdout).toMatch(/^\| test \| +tok\/s \| +median \| MB\/token \| memory \| multiply \|$/m);
    for (const line of md!.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    expect(csv!.stdout.trim().split('\n')).toHaveLength(3);
    expect(sql!.stdout.match(/^INSERT INTO percept_bench \(/gm)).toHaveLength(2);
  });

  it('--save appends dated rows with the machine and the command', async () => {
    const file = join(emptyFolder(), 'results.jsonl');
    const args = [...QUICK, '-r', '1', '--save', file];
    await percept(args);
    await percept(args);
    const rows = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows.map(({ test }) => test)).toEqual(['pp8', 'tg4', 'pp8', 'tg4']);
    expect(rows[0].command).toBe(
      'percept bench -m tiny-llama.Q8_0.gguf -p 8 -n 4 -r 2 --threads 1 -r 1 --save results.jsonl',
    );
    expect(rows[0].machine.node).toBe(process.versions.node);
    expect(new Date(rows[0].date).getTime()).not.toBeNaN();
  });

  it('--report draws the measurements, and changes nothing else', async () => {
    const folder = emptyFolder();
    const run = (...more: string[]) => percept([...QUICK, '-r', '1', ...more], { cwd: folder });
    const { stdout, stderr, code } = await run('--report', 'bench.svg');
    expect(code, stderr).toBe(0);
    const shape = (text: string) => text.replace(/[\d.]+|-+:?/g, '#').replace(/ +/g, ' ');
    expect(shape(stdout)).toBe(shape((await run()).stdout));
    expect(stderr.trimEnd()).toMatch(/report: bench\.svg$/);
    const svg = readFileSync(join(folder, 'bench.svg'), 'utf8');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    const [, tokens] = /^\| pp8 +\| +([\d.]+) \|/m.exec(stdout)!;
    expect(svg).toContain(`>${tokens}<`);
    for (const part of ['cpu pp8', 'cpu tg4', 'roofline', '% of roof)']) expect(svg).toContain(part);
    expect(readdirSync(folder)).toEqual(['bench.svg']);
  });

  it('--report of kernels is a page with the rows', async () => {
    const file = join(emptyFolder(), 'kernels.html');
    const { stdout } = await percept(['bench', 'kernels', 'q8_0', '1536 -> 576', '--json', '--report', file]);
    const html = readFileSync(file, 'utf8');
    const [, rows] = /<script type="application\/json" id="rows">(.*)<\/script>/.exec(html)!;
    expect(JSON.parse(rows!).rows).toEqual(JSON.parse(stdout).rows);
    expect(html).toContain('q8_0 1536 -&gt; 576 x 512');
  });

  it.each(['--report', '--save'])(
    '%s into a missing folder is reported before anything is measured',
    async (flag) => {
      const { stdout, stderr, code } = await percept([...QUICK, flag, join('none', 'b.svg')]);
      expect(stderr).toContain('there is no folder none');
      expect([stdout, code]).toEqual(['', 1]);
      expect(stderr).not.toContain('warm-up');
    },
  );

  it('kernels are selected by words', async () => {
    const { stdout } = await percept(['bench', 'kernels', 'rope', '--threads', '1', '--json']);
    const { machine, rows } = JSON.parse(stdout);
    expect(machine.cores).toBeGreaterThan(0);
    expect(rows.map(({ op, tokens }: { op: string; tokens: number }) => `${op} ${tokens}`)).toEqual([
      'rope 1',
      'rope 4',
      'rope 512',
    ]);
    expect(Object.keys(rows[0])).toEqual([
      ...['backend', 'threads', 'op', 'type', 'shape', 'tokens', 'ms', 'gmac_s', 'gb_s'],
      ...['memory_roof_share', 'multiply_roof_share'],
    ]);
  });

  it.each([
    [['bench', '-t', '1'], 'percept bench has no option -t.'], // elsewhere it is the temperature
    [['bench', '--profile'], '--profile needs a named backend.'],
    [['bench', 'kernel'], 'Expected "kernels" or nothing'],
    [['bench', 'kernels', 'convolution'], 'No kernel has "convolution"'],
    [['bench', '-o', 'json'], 'Expected --output to be one of md, csv, sql, got "json"'],
    [['bench', '-p', '8,x'], 'Expected --n-prompt to be a whole number'],
    [['bench', '--backend', 'cpu,abacus'], 'Expected --backend to be one of'],
    [['bench', '--kv-type', 'f16,f8'], 'Expected --kv-type to be one of auto, f32, f16, q8, got "f8"'],
    [['bench', '--peer', 'llama-bench'], 'Expected a peer: llama-bench=PATH'],
    [['bench', '--report', 'b.png'], 'Expected --report to name a file that ends in .svg or .html'],
    [['bench', 'kernels', '--report', 'b'], 'Expected --report to name a file that ends in .svg or .html'],
    [['bench', '-m', TINY_MODEL, '-p', '0', '-n', '0'], 'Nothing to measure: -p 0 and -n 0.'],
    [['bench', '-m', TINY_MODEL, '-d', '1000000'], 'Expected a context of 1 to'],
  ])('%j is a usage error', async (args, message) => {
    const { stderr, code } = await percept(args);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });
});
