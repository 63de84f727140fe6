import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { PullProgress } from '../../core/models/pull-options.ts';
import { listModels } from '../../core/models/store.ts';
import {
  BODY,
  fetchModel,
  HASTY,
  models,
  progress,
  rangesAsked,
  SHA,
  serve,
  server,
  UNKNOWN_TYPE,
} from './downloads.ts';
import { sendFile } from './model-server.ts';

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
    await expect(fetchModel(url)).rejects.toMatchObject({
      kind: 'network',
      message: expect.stringMatching(/connection reset/),
    });
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
      message: expect.stringMatching(/no answer for 0.3 s/),
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
      message: `${url} could not be fetched: connection refused.`,
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
