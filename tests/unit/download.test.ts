import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PullOptions, type PullProgress, pull } from '../../core/models/pull.ts';
import { parseReference } from '../../core/models/reference.ts';
import { listModels, modelPath } from '../../core/models/store.ts';
import { writeGguf } from './gguf-writer.ts';
import { type Handler, type ModelServer, sendFile, startServer } from './model-server.ts';

const BODY = writeGguf({
  tensors: [{ name: 'w', type: 'I8', shape: [3_000_000], data: Buffer.alloc(3_000_000, 'percept ') }],
});
/** A model of a type that percept does not know: Q4_0_4_4 of 2024. */
const UNKNOWN_TYPE = writeGguf({
  tensors: [{ name: 'w', type: 31, shape: [64], data: new Uint8Array(36) }],
});
const TWICE = writeGguf({
  tensors: [
    { name: 'w', shape: [1] },
    { name: 'w', shape: [1] },
  ],
});
const shaOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const SHA = shaOf(BODY);
const SOON = { retryMs: 1 };
const HASTY = { patience: { ...SOON, connectMs: 300, stallMs: 300 } };

let models: string;
let server: ModelServer | undefined;
let progress: PullProgress[];

beforeEach(() => {
  models = mkdtempSync(join(tmpdir(), 'percept-download-'));
  progress = [];
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(models, { recursive: true });
});

async function serve(handler: Handler): Promise<string> {
  server = await startServer(handler);
  return `${server.origin}/model.gguf`;
}

function fetchModel(text: string, options: Partial<PullOptions> = {}) {
  const onProgress = (event: PullProgress) => void progress.push(event);
  return pull(parseReference(text), { directories: { models }, patience: SOON, onProgress, ...options });
}

/** Leaves the files of a process that was killed after `bytes`. */
/** @param recorded the bytes that the record describes */
function leavePartial(url: string, bytes: Buffer, etag: string, recorded = bytes): string {
  const path = `${modelPath(parseReference(url), { models })}.partial`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  writeFileSync(
    `${path}.json`,
    JSON.stringify({ source: url, validator: etag, bytes: recorded.length, sha256: shaOf(recorded) }),
  );
  return path;
}

const rangesAsked = () => server?.requests.map(({ headers }) => headers.range);

describe('a download', () => {
  it('arrives whole, with its record and nothing else', async () => {
    const url = await serve((request, response) => sendFile(request, response, { body: BODY, etag: '"1"' }));
    const model = await fetchModel(url);
    expect(readFileSync(model.path).equals(BODY)).toBe(true);
    expect(model).toMatchObject({ bytes: BODY.length, sha256: SHA, reference: url, source: url });
    expect(listModels({ models })).toEqual({ models: [model], leftovers: [] });
    expect(existsSync(`${model.path}.lock`)).toBe(false);
  });

  it('reports bytes and total meanwhile', async () => {
    const url = await serve((request, response) => sendFile(request, response, { body: BODY }));
    await fetchModel(url);
    expect(progress[0]).toEqual({
      phase: 'connecting',
      source: url,
      receivedBytes: 0,
      totalBytes: undefined,
    });
    const received = progress.slice(1).map(({ receivedBytes }) => receivedBytes);
    expect(received).toEqual(received.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toEqual({
      phase: 'downloading',
      source: url,
      receivedBytes: BODY.length,
      totalBytes: BODY.length,
    });
  });

  it('is not repeated for a present model', async () => {
    const url = await serve((request, response) => sendFile(request, response, { body: BODY }));
    const first = await fetchModel(url);
    expect(await fetchModel(url)).toEqual(first);
    expect(server?.requests).toHaveLength(1);
  });

  it('may be of a kind that percept cannot read yet, and is not repeated either', async () => {
    const url = await serve((_, response) =>
      response.writeHead(200, { 'content-length': UNKNOWN_TYPE.length }).end(UNKNOWN_TYPE),
    );
    const model = await fetchModel(url);
    expect(readFileSync(model.path).equals(UNKNOWN_TYPE)).toBe(true);
    expect(await fetchModel(url)).toEqual(model);
    rmSync(`${model.path}.json`);
    expect(await fetchModel(url)).toEqual({ path: model.path, bytes: model.bytes });
    expect(server?.requests).toHaveLength(1);
  });

  it('needs no length', async () => {
    const url = await serve((_, response) => response.end(BODY));
    expect((await fetchModel(url)).sha256).toBe(SHA);
  });
});

describe('a broken connection', () => {
  it('resumes at the break', async () => {
    const url = await serve((request, response, number) =>
      sendFile(request, response, { body: BODY, etag: '"1"', cutAfter: number < 3 ? 1_000_000 : undefined }),
    );
    expect((await fetchModel(url)).sha256).toBe(SHA);
    const ranges = rangesAsked()!;
    expect(ranges).toHaveLength(3);
    expect(ranges[0]).toBeUndefined();
    expect(Number(/^bytes=(\d+)-$/.exec(ranges[2]!)?.[1])).toBeGreaterThan(1_000_000);
  });

  it('starts over if the server does not support ranges', async () => {
    const url = await serve((request, response, number) =>
      sendFile(request, response, {
        body: BODY,
        etag: '"1"',
        ranges: false,
        cutAfter: number < 3 ? 9000 : undefined,
      }),
    );
    expect((await fetchModel(url)).sha256).toBe(SHA);
  });

  it('starts over without a validator', async () => {
    const url = await serve((request, response, number) =>
      sendFile(request, response, { body: BODY, etag: 'W/"1"', cutAfter: number === 1 ? 9000 : undefined }),
    );
    await fetchModel(url);
    expect(rangesAsked()).toEqual([undefined, undefined]);
  });

  it('is given up after a few attempts without progress', async () => {
    const url = await serve((_, response) => response.destroy());
    await expect(fetchModel(url)).rejects.toMatchObject({ kind: 'network', message: /connection reset/ });
    expect(server?.requests).toHaveLength(4);
  });

  it('is retried when the server stalls', async () => {
    const url = await serve((request, response, number) =>
      sendFile(request, response, { body: BODY, etag: '"1"', stallAfter: number === 1 ? 50_000 : undefined }),
    );
    expect((await fetchModel(url, HASTY)).sha256).toBe(SHA);
    expect(server?.requests).toHaveLength(2);
  });

  it('is reported with its reason if the server never answers', async () => {
    const url = await serve(() => {});
    await expect(fetchModel(url, HASTY)).rejects.toMatchObject({
      kind: 'network',
      message: /no answer for 0.3 s/,
    });
  });

  it('is retried when the server is busy', async () => {
    const url = await serve((request, response, number) => {
      if (number < 3) response.writeHead(number === 1 ? 503 : 429).end();
      else sendFile(request, response, { body: BODY });
    });
    expect((await fetchModel(url)).sha256).toBe(SHA);
  });
});

describe('a partial file of an earlier process', () => {
  const HALF = BODY.subarray(0, 1_500_000);

  it('is continued', async () => {
    const url = await serve((request, response) => sendFile(request, response, { body: BODY, etag: '"1"' }));
    leavePartial(url, HALF, '"1"');
    expect((await fetchModel(url)).sha256).toBe(SHA);
    expect(rangesAsked()).toEqual([`bytes=${1_500_000 - 4096}-`]);
    expect(progress[0]).toMatchObject({ phase: 'connecting', receivedBytes: 1_500_000 });
  });

  it('is continued from its record, if a process died while it wrote', async () => {
    const url = await serve((request, response) => sendFile(request, response, { body: BODY, etag: '"1"' }));
    leavePartial(url, Buffer.concat([HALF, Buffer.alloc(5000)]), '"1"', HALF);
    expect((await fetchModel(url)).sha256).toBe(SHA);
    expect(rangesAsked()).toEqual([`bytes=${HALF.length - 4096}-`]);
  });

  it.each([
    ['zeros at its end, as after a loss of power', Buffer.from(HALF).fill(0, 900_000)],
    ['another bit', Buffer.from(HALF).fill(1, 400_000, 400_001)],
    ['too few bytes', HALF.subarray(0, -1)],
  ])('is dropped with %s', async (_, bytes) => {
    const url = await serve((request, response) => sendFile(request, response, { body: BODY, etag: '"1"' }));
    leavePartial(url, bytes, '"1"', HALF);
    expect((await fetchModel(url)).sha256).toBe(SHA);
    expect(rangesAsked()).toEqual([undefined]);
  });

  it.each(['', '{"source":5', 'null', '{"source":"x","validator":"a\\r\\nb","bytes":1,"sha256":"0"}'])(
    'is dropped without a record that can be read: %s',
    async (record) => {
      const url = await serve((request, response) =>
        sendFile(request, response, { body: BODY, etag: '"1"' }),
      );
      writeFileSync(`${leavePartial(url, HALF, '"1"')}.json`, record);
      expect((await fetchModel(url)).sha256).toBe(SHA);
      expect(rangesAsked()).toEqual([undefined]);
    },
  );

  it('is dropped if the file has changed', async () => {
    const url = await serve((request, response) => sendFile(request, response, { body: BODY, etag: '"2"' }));
    leavePartial(url, Buffer.from('GGUF of yesterday'), '"1"');
    expect((await fetchModel(url)).sha256).toBe(SHA);
  });

  it('is dropped if the server sends other bytes under the same validator', async () => {
    const other = Buffer.from(BODY).fill(7, 1000);
    const url = await serve((request, response) => {
      sendFile(request, response, { body: request.headers.range ? other : BODY, etag: '"1"' });
    });
    leavePartial(url, HALF, '"1"');
    expect((await fetchModel(url)).sha256).toBe(SHA);
    expect(rangesAsked()).toEqual([`bytes=${HALF.length - 4096}-`, undefined]);
  });

  it('is dropped if a server sends a range of a changed file regardless', async () => {
    const url = await serve((request, response) => {
      request.headers['if-range'] = '"2"'; // as without a condition
      sendFile(request, response, { body: BODY, etag: '"2"' });
    });
    leavePartial(url, Buffer.from('GGUF of yesterday'), '"1"');
    expect((await fetchModel(url)).sha256).toBe(SHA);
  });

  it('is enough if it is complete', async () => {
    const url = await serve((request, response) => sendFile(request, response, { body: BODY, etag: '"1"' }));
    leavePartial(url, BODY, '"1"');
    expect((await fetchModel(url)).sha256).toBe(SHA);
    expect(rangesAsked()).toEqual([`bytes=${BODY.length - 4096}-`]);
  });

  it('is dropped if it is longer than the file', async () => {
    const url = await serve((request, response) => sendFile(request, response, { body: BODY, etag: '"1"' }));
    leavePartial(url, Buffer.concat([BODY, HALF]), '"1"');
    expect((await fetchModel(url)).sha256).toBe(SHA);
  });

  it('is kept for the next attempt if the network fails', async () => {
    const url = await serve((_, response) => response.destroy());
    const partial = leavePartial(url, HALF, '"1"');
    await expect(fetchModel(url)).rejects.toMatchObject({ kind: 'network' });
    expect(readFileSync(partial).equals(HALF)).toBe(true);
    expect(existsSync(modelPath(parseReference(url), { models }))).toBe(false);
  });
});

describe('a wrong file', () => {
  it.each([
    ['<!doctype html><p>Please log in.', 'a web page', /download link/],
    ['version https://git-lfs.github.com/spec/v1\n', 'a git-lfs pointer', /git lfs pull/],
  ])('is refused at the first bytes, also of small packets: %s', async (body, what, hint) => {
    for (const first of [body.length, 2]) {
      const url = await serve((_, response) => {
        response.write(body.slice(0, first), () => setTimeout(() => response.end(body.slice(first)), 30));
      });
      const error = await fetchModel(url).catch((error) => error);
      expect(error).toMatchObject({ kind: 'error', message: expect.stringContaining(what) });
      expect(error.hint).toMatch(hint);
      expect(listModels({ models })).toEqual({ models: [], leftovers: [] });
    }
  });

  it.each([
    [
      'of which half arrived',
      BODY.subarray(0, 1_500_000),
      /Expected a file of 3000\d+ bytes or more, got 1500000 bytes/,
    ],
    ['that is empty', BODY.subarray(0, 0), /is an empty file/],
    ['whose header is cut', BODY.subarray(0, 40), /Expected .* more bytes/],
    ['with nothing but the magic', Buffer.alloc(100, 'GGUF'), /expected GGUF version 2 or 3/i],
    ['with zeros after the magic', Buffer.concat([Buffer.from('GGUF'), Buffer.alloc(1e5)]), /got version 0/],
    ['with two tensors of a name', TWICE, /a unique name, got one that occurs before/],
  ])('is refused without a sha256: one %s', async (_, body, message) => {
    for (const withLength of [false, true]) {
      const url = await serve((_, response) => {
        response.writeHead(200, withLength ? { 'content-length': body.length } : {}).end(body);
      });
      await expect(fetchModel(url)).rejects.toThrow(message);
      expect(listModels({ models })).toEqual({ models: [], leftovers: [] });
    }
  });

  it('is refused when a body without a length goes on beyond what its header lists', async () => {
    let sent = 0;
    const url = await serve((_, response) => {
      const more = () => {
        while (sent < 1e9 && response.write(Buffer.alloc(1 << 20))) sent += 1 << 20;
      };
      response.on('drain', more).write(BODY);
      more();
    });
    await expect(fetchModel(url)).rejects.toThrow('bytes by the header of the file, got more');
    expect(sent).toBeLessThan(1e8);
    expect(listModels({ models })).toEqual({ models: [], leftovers: [] });
  });

  it('is refused at once when its header gives no bound for a body without a length', async () => {
    let sent = 0;
    const url = await serve((_, response) => {
      const more = () => {
        while (sent < 1e9 && response.write(Buffer.alloc(1 << 20))) sent += 1 << 20;
      };
      response.on('drain', more).write(UNKNOWN_TYPE);
      more();
    });
    await expect(fetchModel(url)).rejects.toMatchObject({
      message: expect.stringContaining('a tensor type of ggml that percept knows, got type number 31'),
      hint: expect.stringContaining('Convert or quantize the model again'),
    });
    expect(sent).toBeLessThan(64e6);
    expect(listModels({ models })).toEqual({ models: [], leftovers: [] });
  });

  it.each([404, 410])('is not requested twice: HTTP %i', async (status) => {
    const url = await serve((_, response) => response.writeHead(status).end('no'));
    await expect(fetchModel(url)).rejects.toMatchObject({ kind: 'model-not-found', message: /HTTP 4/ });
    expect(server?.requests).toHaveLength(1);
  });

  it('is refused if the disk is too small', async () => {
    const url = await serve((_, response) =>
      response.writeHead(200, { 'content-length': String(9e14) }).write('GGUF'),
    );
    await expect(fetchModel(url)).rejects.toMatchObject({
      kind: 'error',
      message: /^Not enough space in .*: 900,000,000 MB are needed, [\d,]+ MB are free\.$/,
    });
  });

  it('leaves no empty folders', async () => {
    const url = await serve((_, response) => response.writeHead(404).end());
    await fetchModel(url).catch(() => {});
    expect(existsSync(join(models, 'https'))).toBe(false);
  });
});

describe('redirects', () => {
  it('are followed up to five times', async () => {
    const url = await serve((request, response, number) => {
      if (number <= 5) response.writeHead(302, { location: `/hop${number}` }).end('elsewhere');
      else sendFile(request, response, { body: BODY });
    });
    expect((await fetchModel(url)).sha256).toBe(SHA);
  });

  it('are limited', async () => {
    const url = await serve((_, response) => response.writeHead(302, { location: '/again' }).end());
    await expect(fetchModel(url)).rejects.toThrow('more than 5 redirects');
  });

  it.each(['http://example.org/m.gguf', 'file:///etc/passwd', 'http://'])(
    'never lead to %s',
    async (location) => {
      const url = await serve((_, response) => response.writeHead(302, { location }).end());
      await expect(fetchModel(url)).rejects.toThrow(/redirected to .*, which is not https/);
    },
  );
});

describe('a server that cannot be reached', () => {
  it('is reported at once if it refuses', async () => {
    const url = await serve(() => {});
    await server!.close();
    await expect(fetchModel(url)).rejects.toMatchObject({
      kind: 'network',
      message: `${url} could not be fetched. connection refused.`,
      hint: `Check the network (HTTPS_PROXY is honoured), then run: percept pull ${url}`,
    });
  });

  it('is given up if it accepts the connection and stays silent', async () => {
    const mute = createServer();
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as { port: number };
    await expect(fetchModel(`https://127.0.0.1:${port}/m.gguf`, HASTY)).rejects.toThrow(
      /no connection to .* within 0.3 s/,
    );
    mute.close();
  });

  it('is given up if its proxy accepts the connection and stays silent', async () => {
    const proxy = createServer(() => {});
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const env = { HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as { port: number }).port}` };
    await expect(fetchModel('https://models.invalid/m.gguf', { ...HASTY, env })).rejects.toThrow(
      'no connection to models.invalid within 0.3 s',
    );
    proxy.close();
  });

  it('is reached through HTTPS_PROXY, unless NO_PROXY lists it', async () => {
    const url = 'https://models.invalid/m.gguf';
    const tunnels: string[] = [];
    const proxy = createServer((socket) => {
      socket.once('data', (text) => {
        tunnels.push(String(text).split('\r\n')[0]!);
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const env = { HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as { port: number }).port}` };
    await expect(fetchModel(url, { env })).rejects.toMatchObject({ kind: 'network' });
    expect(tunnels).toEqual(['CONNECT models.invalid:443 HTTP/1.1']);
    await expect(fetchModel(url, { env: { ...env, NO_PROXY: 'models.invalid' } })).rejects.toThrow();
    expect(tunnels).toHaveLength(1);
    proxy.close();
  });
});

describe('an abort', () => {
  it('rejects with the reason and keeps the received bytes', async () => {
    const url = await serve((request, response) =>
      sendFile(request, response, { body: BODY, etag: '"1"', stallAfter: 100_000 }),
    );
    const controller = new AbortController();
    const onProgress = ({ receivedBytes }: PullProgress) =>
      receivedBytes > 0 && controller.abort(new Error('enough'));
    await expect(fetchModel(url, { signal: controller.signal, onProgress })).rejects.toThrow('enough');
    expect(listModels({ models }).leftovers).toHaveLength(1);
    expect(server?.requests).toHaveLength(1);
  });
});
