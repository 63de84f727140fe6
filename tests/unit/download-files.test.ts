import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseReference } from '../../core/models/reference.ts';
import { listModels, modelPath } from '../../core/models/store.ts';
import {
  BODY,
  fetchModel,
  leavePartial,
  models,
  progress,
  rangesAsked,
  SHA,
  serve,
  server,
  TWICE,
  UNKNOWN_TYPE,
} from './downloads.ts';
import { sendFile } from './model-server.ts';

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
      /expected a file of 3000\d+ bytes or more, got 1500000 bytes/,
    ],
    ['that is empty', BODY.subarray(0, 0), /is an empty file/],
    ['whose header is cut', BODY.subarray(0, 40), /expected .* more bytes/],
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
    await expect(fetchModel(url)).rejects.toMatchObject({
      kind: 'model-not-found',
      message: expect.stringMatching(/HTTP 4/),
    });
    expect(server?.requests).toHaveLength(1);
  });

  it('is refused if the disk is too small', async () => {
    const url = await serve((_, response) =>
      response.writeHead(200, { 'content-length': String(9e14) }).write('GGUF'),
    );
    await expect(fetchModel(url)).rejects.toMatchObject({
      kind: 'error',
      message: expect.stringMatching(
        /^Not enough space in .*: 900,000,000 MB are needed, [\d,]+ MB are free\.$/,
      ),
    });
  });

  it('leaves no empty folders', async () => {
    const url = await serve((_, response) => response.writeHead(404).end());
    await fetchModel(url).catch(() => {});
    expect(existsSync(join(models, 'https'))).toBe(false);
  });
});
