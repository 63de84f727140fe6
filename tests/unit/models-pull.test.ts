import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lock, tryLock } from '../../core/models/lock.ts';
import { pull } from '../../core/models/pull.ts';
import type { PullOptions, PullProgress } from '../../core/models/pull-options.ts';
import { type AliasReference, parseReference, type Reference } from '../../core/models/reference.ts';
import { resolveModel } from '../../core/models/resolve.ts';
import { listModels, modelPath } from '../../core/models/store.ts';
import { writeGguf } from './gguf-writer.ts';
import { type Handler, type ModelServer, sendFile, startServer } from './model-server.ts';

const BODY = writeGguf({
  tensors: [{ name: 'w', type: 'I8', shape: [2_000_000], data: Buffer.alloc(2_000_000, 'percept ') }],
});
const SHA = createHash('sha256').update(BODY).digest('hex');

let models: string;
let servers: ModelServer[];
let messages: string[];

beforeEach(() => {
  models = mkdtempSync(join(tmpdir(), 'percept-pull-'));
  servers = [];
  messages = [];
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(models, { recursive: true });
});

async function serve(handler: Handler): Promise<ModelServer> {
  const server = await startServer(handler);
  servers.push(server);
  return server;
}

const serveBody = (body = BODY) =>
  serve((request, response) => sendFile(request, response, { body, etag: '"1"' }));

function alias(sources: string[], sha256 = SHA, bytes = BODY.length): AliasReference {
  const entry = {
    alias: 'test',
    purpose: 'chat' as const,
    description: '',
    fileName: 'm.gguf',
    licence: 'MIT',
    bytes,
    sha256,
    sources,
  };
  return { kind: 'alias', text: 'test', entry };
}

function pullModel(reference: Reference | string, options: Partial<PullOptions> = {}) {
  return pull(typeof reference === 'string' ? parseReference(reference) : reference, {
    directories: { models },
    patience: { retryMs: 1 },
    onMessage: (text) => void messages.push(text),
    ...options,
  });
}

describe('sources', () => {
  it('are tried in order, and skipped ones are reported', async () => {
    const gone = await serveBody();
    await gone.close();
    const refusing = await serve((_, response) => response.writeHead(404).end());
    const good = await serveBody();
    const sources = [gone, refusing, good].map(({ origin }) => `${origin}/m.gguf`);
    const model = await pullModel(alias(sources));
    expect(model).toMatchObject({ reference: 'test', source: sources[2], sha256: SHA, licence: 'MIT' });
    expect(messages).toEqual([
      `Skipped ${sources[0]}: connection refused.`,
      `Skipped ${sources[1]}: HTTP 404.`,
    ]);
  });

  it.each([
    ['a wrong size', BODY.subarray(0, -1), /expected a file of \d+ bytes, got \d+/],
    [
      'wrong content',
      Buffer.from(BODY.toString('latin1').replace('percept', 'pErcept'), 'latin1'),
      /expected sha256 \w+, got sha256/,
    ],
  ])('are skipped for %s, and the next starts from scratch', async (_, bad, reason) => {
    const sources = [`${(await serveBody(bad)).origin}/m.gguf`, `${(await serveBody()).origin}/m.gguf`];
    const model = await pullModel(alias(sources));
    expect(readFileSync(model.path).equals(BODY)).toBe(true);
    expect(messages.join()).toMatch(reason);
  });

  it('are all listed with their reasons if none delivers, with the command to retry', async () => {
    const gone = await serveBody();
    await gone.close();
    const bad = await serveBody(Buffer.from('GGUF, but not the one'));
    const error = await pullModel(alias([`${gone.origin}/m.gguf`, `${bad.origin}/m.gguf`])).catch(
      (error) => error,
    );
    expect(error).toMatchObject({ name: 'UserError', kind: 'network' });
    expect(error.message).toContain(
      `${gone.origin}/m.gguf: connection refused; ${bad.origin}/m.gguf: expected a file of`,
    );
    expect(error.hint).toContain('run: percept pull test');
    expect(listModels({ models })).toEqual({ models: [], leftovers: [] });
  });

  it('repair a damaged partial file', async () => {
    const url = `${(await serveBody()).origin}/m.gguf`;
    const reference = alias([url]);
    const partial = `${modelPath(reference, { models })}.partial`;
    mkdirSync(dirname(partial), { recursive: true });
    writeFileSync(partial, Buffer.alloc(1000)); // zeros, as after a power cut
    writeFileSync(`${partial}.json`, JSON.stringify({ source: url, validator: '"1"' }));
    expect((await pullModel(reference)).sha256).toBe(SHA);
  });
});

describe('hf:', () => {
  const TEXT = 'hf:owner/repo@v1/dir/m%20x.gguf';

  /** A hub that redirects to storage on another origin, as Hugging Face does. */
  async function startHub(linkedEtag?: string) {
    const storage = await serveBody();
    const hub = await serve((_, response) => {
      const etag = linkedEtag && { 'x-linked-etag': linkedEtag };
      response.writeHead(302, { location: `${storage.origin}/blob`, ...etag }).end();
    });
    return { storage, hub, env: { HF_ENDPOINT: hub.origin, HF_TOKEN: 'secret' } };
  }

  it('asks the hub for the revision, and hides the token from the storage', async () => {
    const { storage, hub, env } = await startHub(`"${SHA}"`);
    expect((await pullModel(TEXT, { env })).sha256).toBe(SHA);
    expect(hub.requests[0]?.url).toBe('/owner/repo/resolve/v1/dir/m%2520x.gguf');
    expect(hub.requests[0]?.headers.authorization).toBe('Bearer secret');
    expect(storage.requests[0]?.headers.authorization).toBeUndefined();
  });

  it("checks the file against the hub's sha256", async () => {
    const { env } = await startHub(`"${'0'.repeat(64)}"`);
    await expect(pullModel(TEXT, { env })).rejects.toThrow(
      `expected sha256 ${'0'.repeat(64)}, got sha256 ${SHA}`,
    );
  });

  it("does not fetch a file whose sha256 is not the catalogue's", async () => {
    const { env, storage } = await startHub(`"${'0'.repeat(64)}"`);
    await expect(pullModel(alias([TEXT]), { env })).rejects.toThrow(`expected sha256 ${SHA}, got 000`);
    expect(storage.requests).toHaveLength(0);
  });

  it.each([401, 403])('explains HTTP %i', async (status) => {
    const hub = await serve((_, response) => response.writeHead(status).end());
    await expect(pullModel(TEXT, { env: { HF_ENDPOINT: hub.origin } })).rejects.toMatchObject({
      kind: 'model-not-found',
      message: expect.stringMatching(/HF_TOKEN/),
    });
  });

  it.each(['http://example.org', 'nonsense'])(
    'does not send anything to the endpoint %s',
    async (HF_ENDPOINT) => {
      await expect(pullModel(TEXT, { env: { HF_ENDPOINT } })).rejects.toThrow(
        'expected HF_ENDPOINT to be an https address',
      );
    },
  );
});

describe('a lock', () => {
  it('has one holder, and the next one after its release', async () => {
    const path = join(models, 'x.lock');
    const release = tryLock(path)!;
    expect(tryLock(path)).toBeUndefined();
    let waits = 0;
    const second = lock(path, () => waits++);
    await delay(300);
    release();
    (await second)();
    expect(waits).toBe(1);
    expect(existsSync(path)).toBe(false);
  });

  it('can be aborted while waiting', async () => {
    const path = join(models, 'x.lock');
    const release = tryLock(path)!;
    await expect(lock(path, () => {}, AbortSignal.timeout(20))).rejects.toThrow();
    release();
  });

  it('reports that it is not available', () => {
    writeFileSync(join(models, 'file'), '');
    expect(() => tryLock(join(models, 'file', 'x.lock'))).toThrow(/Cannot lock .*:/);
  });
});

describe('a model on this machine', () => {
  it('is used as it is, without a request', async () => {
    const server = await serveBody();
    const url = `${server.origin}/m.gguf`;
    const { path } = await pullModel(url);
    const release = tryLock(`${path}.lock`)!; // a folder that cannot be changed has no locks
    expect(await pullModel(url)).toMatchObject({ path, sha256: SHA });
    release();
    rmSync(`${path}.json`); // one of the user's own
    expect(await pullModel(url)).toMatchObject({ path });
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ['cut off', (path: string) => truncateSync(path, 1000), 'bytes or more, got 1000 bytes'],
    ['emptied', (path: string) => truncateSync(path, 0), 'is an empty file'],
    ['no GGUF', (path: string) => writeFileSync(path, '<html>', { flag: 'r+' }), 'a web page'],
  ])('without a record is fetched again if it is %s', async (_, damage, reason) => {
    const url = `${(await serveBody()).origin}/m.gguf`;
    const { path } = await pullModel(url);
    damage(path);
    rmSync(`${path}.json`);
    await expectRepair(url, reason);
  });

  it.each([
    ['cut off', (path: string) => truncateSync(path, 1000)],
    ['emptied', (path: string) => truncateSync(path, 0)],
    ['of other bytes', (path: string) => writeFileSync(path, Buffer.from(BODY).fill(7, 1e6))],
  ])('with a record is fetched again if it is %s', async (_, damage) => {
    const url = `${(await serveBody()).origin}/m.gguf`;
    damage((await pullModel(url)).path);
    await expectRepair(url, `expected sha256 ${SHA}, got`);
  });

  async function expectRepair(url: string, reason: string): Promise<void> {
    const { path, sha256 } = await pullModel(url);
    expect(sha256).toBe(SHA);
    expect(readFileSync(path).equals(BODY)).toBe(true);
    expect(messages).toEqual([expect.stringMatching(/is damaged: .*It is fetched again\.$/)]);
    expect(messages[0]).toContain(reason);
  }

  it('is read once, with progress', async () => {
    const url = `${(await serveBody()).origin}/m.gguf`;
    const { path } = await pullModel(url);
    writeFileSync(path, Buffer.from(BODY).fill(7, 1e6));
    const checked: number[] = [];
    const onProgress = ({ phase, receivedBytes, totalBytes }: PullProgress) => {
      if (phase !== 'checking') return;
      expect(totalBytes).toBe(BODY.length);
      checked.push(receivedBytes);
    };
    await pullModel(url, { onProgress });
    expect(checked).toEqual([2 ** 20, BODY.length]);
  });

  it('is not read to its end after an abort', async () => {
    const url = `${(await serveBody()).origin}/m.gguf`;
    const { path } = await pullModel(url);
    const controller = new AbortController();
    let checked = 0;
    const onProgress = ({ receivedBytes }: PullProgress) => {
      checked = receivedBytes;
      controller.abort(new Error('enough'));
    };
    await expect(pullModel(url, { onProgress, signal: controller.signal })).rejects.toThrow('enough');
    expect(checked).toBe(2 ** 20);
    expect(existsSync(path)).toBe(true);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });
});

it('fetches all parts of a split model, into one folder', async () => {
  const server = await serveBody();
  const url = `${server.origin}/m-00001-of-00003.gguf?download=true`;
  const model = await pullModel(url);
  expect(model).toMatchObject({ reference: url, bytes: 3 * BODY.length });
  expect(listModels({ models })).toEqual({ models: [model], leftovers: [] });
  rmSync(model.path.replace('00001', '00003'));
  const options = { directories: { models }, pull: true };
  expect(await resolveModel(url, options)).toEqual(model);
  rmSync(model.path);
  expect(await resolveModel(url.replace('00001', '00002'), options)).toMatchObject({ path: model.path });
  expect(server.requests.map(({ url }) => url?.slice(7))).toEqual(
    [1, 2, 3, 3, 1].map((number) => `${number}-of-00003.gguf?download=true`),
  );
});

describe('two pulls at once', () => {
  it('retry independently if the first fails', async () => {
    const server = await serve((request, response, number) => {
      if (number === 1) setTimeout(() => response.writeHead(404).end(), 300);
      else sendFile(request, response, { body: BODY });
    });
    const pulls = await Promise.allSettled([1, 2].map(() => pullModel(`${server.origin}/m.gguf`)));
    expect(pulls.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(messages).toHaveLength(1);
  });
});

describe('two processes', () => {
  const PULL = new URL('../../core/models/pull.ts', import.meta.url).href;
  const REFERENCE = new URL('../../core/models/reference.ts', import.meta.url).href;
  const SCRIPT = `
    const { pull } = await import(${JSON.stringify(PULL)});
    const { parseReference } = await import(${JSON.stringify(REFERENCE)});
    const [text, models] = process.argv.slice(1);
    const say = (line) => process.stdout.write(line + '\\n');
    const model = await pull(parseReference(text), { directories: { models }, onMessage: say });
    say('done ' + model.sha256);`;

  function start(url: string): { child: ChildProcess; output: () => string } {
    const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, url, models]);
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part) => (text += part));
    return { child, output: () => text };
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition()) await delay(20);
  }

  it('run one after the other, and the second uses the file of the first', async () => {
    let finish = () => {};
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-length': BODY.length }).write(BODY.subarray(0, 1000));
      finish = () => response.end(BODY.subarray(1000));
    });
    const first = start(`${server.origin}/m.gguf`);
    await until(() => server.requests.length === 1);
    const second = start(`${server.origin}/m.gguf`);
    const ended = Promise.all([once(first.child, 'close'), once(second.child, 'close')]);
    await until(() => second.output().includes('Another process is pulling'));
    finish();
    await ended;
    expect([first.output(), second.output()].map((text) => text.includes(`done ${SHA}`))).toEqual([
      true,
      true,
    ]);
    expect(server.requests).toHaveLength(1);
    expect(listModels({ models })).toMatchObject({ models: [{ bytes: BODY.length }], leftovers: [] });
  });

  it('leave no model and no lock if killed, and the next one continues', async () => {
    const data = Buffer.alloc(30_000_000, 'percept ');
    const header = writeGguf({ tensors: [{ name: 'w', type: 'I8', shape: [data.length] }] });
    const body = Buffer.concat([header, data]);
    const server = await serve((request, response, number) =>
      sendFile(request, response, {
        body,
        etag: '"1"',
        stallAfter: number === 1 ? 25_000_000 : undefined,
      }),
    );
    const url = `${server.origin}/m.gguf`;
    const path = modelPath(parseReference(url), { models });
    const { child } = start(url);
    await until(() => existsSync(`${path}.partial`) && statSync(`${path}.partial`).size === 25_000_000);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(existsSync(path)).toBe(false);
    const received: number[] = [];
    const onProgress = ({ receivedBytes }: PullProgress) => void received.push(receivedBytes);
    expect(readFileSync((await pullModel(url, { onProgress })).path).equals(body)).toBe(true);
    expect(received[0]).toBeGreaterThanOrEqual(2 ** 24); // the record is behind by 16 MiB at most
    expect(server.requests.at(-1)?.headers.range).toBe(`bytes=${received[0]! - 4096}-`);
    expect(messages).toEqual([]);
    expect(listModels({ models })).toMatchObject({ models: [{ path }], leftovers: [] });
  });
});
