/** Repositories of a hub and models of a registry, from servers of the test's own that speak their protocols. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkpointIn, choose, type HubFile, modelsIn } from '../../core/models/hub-files.ts';
import { pull } from '../../core/models/pull.ts';
import type { PullOptions } from '../../core/models/pull-options.ts';
import { parseReference } from '../../core/models/reference.ts';
import { findModel, listModels, removeModel } from '../../core/models/store.ts';
import { writeGguf } from './gguf-writer.ts';
import { type ModelServer, sendFile, startServer } from './model-server.ts';

const modelOf = (bytes: number, letter: string) =>
  writeGguf({ tensors: [{ name: 'w', type: 'I8', shape: [bytes], data: Buffer.alloc(bytes, letter) }] });
const shaOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** The files of the repository o/r. */
const FILES: Record<string, Buffer> = {
  'README.md': Buffer.from('# Hello'),
  'm-Q4_K_M.gguf': modelOf(200_000, 'a'),
  'm-Q8_0.gguf': modelOf(400_000, 'b'),
  'sub/m-F16-00001-of-00002.gguf': modelOf(300_000, 'c'),
  'sub/m-F16-00002-of-00002.gguf': modelOf(310_000, 'd'),
  'mmproj-Q8_0.gguf': modelOf(1000, 'e'),
  '../../escape-Q8_0.gguf': modelOf(1000, 'f'),
};
const CHECKPOINT: Record<string, Buffer> = {
  'config.json': Buffer.from('{"model_type":"llama"}'),
  'tokenizer.json': Buffer.from('{}'),
  '1_Pooling/config.json': Buffer.from('{}'),
  'onnx/model.onnx': Buffer.from('no'),
  'pytorch_model.bin': Buffer.from('no'),
  'model.safetensors': Buffer.alloc(500_000, 'w'),
};

let folder: string;
let servers: ModelServer[];
let messages: string[];
let hub: ModelServer;
let storage: ModelServer;
let refuse: (request: IncomingMessage, response: ServerResponse) => boolean;
let cutAfter: number | undefined;

const isWeights = (name: string) => /\.(?:gguf|safetensors)$/.test(name);

function entriesOf(files: Record<string, Buffer>) {
  return Object.entries(files).map(([path, body]) => {
    const lfs = isWeights(path) ? { lfs: { oid: shaOf(body), size: body.length } } : {};
    return { type: 'file', path, size: body.length, oid: 'x', ...lfs };
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'percept-hub-'));
  messages = [];
  refuse = () => false;
  cutAfter = undefined;
  storage = await startServer((request, response) => {
    const [, repository = '', name = ''] = /^\/(\w+)\/(.+)$/.exec(request.url!)!;
    const body = (repository === 'o' ? FILES : CHECKPOINT)[name]!;
    const cut = cutAfter;
    cutAfter = undefined;
    sendFile(request, response, { body, etag: `"${shaOf(body)}"`, cutAfter: cut });
  });
  hub = await startServer((request, response) => {
    if (refuse(request, response)) return;
    const url = new URL(request.url!, 'http://x');
    const [, listed] = /^\/api\/models\/(\w+)\/r\/tree\/main$/.exec(url.pathname) ?? [];
    if (listed) {
      const entries = entriesOf(listed === 'o' ? FILES : CHECKPOINT);
      const half = Math.ceil(entries.length / 2);
      const isSecond = url.searchParams.has('cursor');
      if (!isSecond) response.setHeader('link', `<${hub.origin}${request.url}&cursor=2>; rel="next"`);
      response.end(JSON.stringify(isSecond ? entries.slice(half) : entries.slice(0, half)));
      return;
    }
    const [, owner = '', path = ''] = /^\/(\w+)\/r\/resolve\/main\/(.+)$/.exec(url.pathname) ?? [];
    const name = decodeURIComponent(path);
    const body = (owner === 'o' ? FILES : CHECKPOINT)[name];
    if (!body) response.writeHead(404).end();
    else if (!isWeights(name)) sendFile(request, response, { body, etag: '"s"' });
    else {
      const location = `${storage.origin}/${owner}/${name}`;
      response.writeHead(302, { location, 'x-linked-etag': `"${shaOf(body)}"` }).end();
    }
  });
  servers = [hub, storage];
});

afterEach(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(folder, { recursive: true });
});

function fetchModel(text: string, options: Partial<PullOptions> = {}) {
  return pull(parseReference(text), {
    directories: { models: join(folder, 'models') },
    env: { HF_ENDPOINT: hub.origin, HF_TOKEN: 'hf_secret', HOME: folder },
    patience: { retryMs: 1 },
    onMessage: (text) => messages.push(text),
    freeBytes: 1e9,
    ...options,
  });
}

const find = (text: string) => findModel(parseReference(text), { models: join(folder, 'models') });

describe('a repository', () => {
  it('gives the file that suits the machine, says which, and finds it again', async () => {
    const model = await fetchModel('hf:o/r');
    expect(model.path.endsWith(join('hf', 'o', 'r', 'main', 'm-Q8_0.gguf'))).toBe(true);
    expect(readFileSync(model.path).equals(FILES['m-Q8_0.gguf']!)).toBe(true);
    expect(messages).toEqual([expect.stringMatching(/^Chose m-Q8_0\.gguf of 3: .*hf:o\/r:TAG\.$/)]);
    expect(find('hf:o/r')?.path).toBe(model.path);
    const asked = hub.requests.length;
    await fetchModel('hf:o/r');
    expect(hub.requests.length).toBe(asked);
  });

  it('sends the token to the hub alone', async () => {
    await fetchModel('hf:o/r:q4_k_m');
    for (const { headers } of hub.requests) expect(headers.authorization).toBe('Bearer hf_secret');
    for (const { headers } of storage.requests) expect(headers.authorization).toBeUndefined();
    expect(storage.requests.length).toBeGreaterThan(0);
  });

  it('uses the token that the client of the hub has stored', async () => {
    const path = join(folder, 'token');
    writeFileSync(path, 'hf_stored\n');
    await fetchModel('hf:o/r:Q4_K_M', { env: { HF_ENDPOINT: hub.origin, HF_TOKEN_PATH: path } });
    expect(hub.requests[0]!.headers.authorization).toBe('Bearer hf_stored');
  });

  it('gives all parts of the file that a tag names', async () => {
    const model = await fetchModel('hf:o/r:f16');
    expect(model.bytes).toBe(
      FILES['sub/m-F16-00001-of-00002.gguf']!.length + FILES['sub/m-F16-00002-of-00002.gguf']!.length,
    );
    expect(find('hf:o/r:F16')?.path).toBe(model.path);
    await removeModel(parseReference('hf:o/r:F16'), { models: join(folder, 'models') });
    expect(listModels({ models: join(folder, 'models') }).models).toEqual([]);
  });

  it('goes on where a broken transfer ended', async () => {
    cutAfter = 150_000;
    const model = await fetchModel('hf:o/r:Q4_K_M');
    expect(readFileSync(model.path).equals(FILES['m-Q4_K_M.gguf']!)).toBe(true);
    expect(storage.requests[1]!.headers.range).toMatch(/^bytes=\d+-$/);
  });

  it('says what there is if nothing has the tag', async () => {
    await expect(fetchModel('hf:o/r:Q2_K')).rejects.toMatchObject({
      kind: 'model-not-found',
      message: 'o/r has no file of Q2_K.',
      hint: expect.stringMatching(/^It has m-Q4_K_M\.gguf \(1 MB\), m-Q8_0\.gguf/),
    });
  });

  it('says what the hub refuses', async () => {
    refuse = (_, response) => {
      response.writeHead(403, { 'x-error-code': 'GatedRepo' }).end();
      return true;
    };
    await expect(fetchModel('hf:o/r')).rejects.toThrow(/its licence must be accepted.*HF_TOKEN/);
    refuse = (_, response) => Boolean(response.writeHead(404).end());
    await expect(fetchModel('hf:o/r')).rejects.toMatchObject({ kind: 'model-not-found' });
    refuse = (_, response) => Boolean(response.end('<html>'));
    await expect(fetchModel('hf:o/r')).rejects.toThrow('the answer is not JSON');
  });

  it('is asked again after 429 and 503', async () => {
    const statuses = [429, 503];
    refuse = (_, response) => {
      const status = statuses.shift();
      if (status === undefined) return false;
      response.writeHead(status).end();
      return true;
    };
    await expect(fetchModel('hf:o/r:Q4_K_M')).resolves.toMatchObject({
      bytes: FILES['m-Q4_K_M.gguf']!.length,
    });
  });

  it('of safetensors is pulled as a folder, and no more of it than a checkpoint has', async () => {
    const model = await fetchModel('hf:c/r');
    expect(model).toMatchObject({ reference: 'hf:c/r', bytes: 500_000 });
    for (const name of ['config.json', '1_Pooling/config.json', 'model.safetensors'])
      expect(readFileSync(join(model.path, name)).equals(CHECKPOINT[name]!)).toBe(true);
    expect(existsSync(join(model.path, 'onnx'))).toBe(false);
    expect(existsSync(join(model.path, 'pytorch_model.bin'))).toBe(false);
    expect(find('hf:c/r')?.path).toBe(model.path);
    const { models, leftovers } = listModels({ models: join(folder, 'models') });
    expect([models.length, leftovers.length]).toEqual([1, 0]);
    await removeModel(parseReference('hf:c/r'), { models: join(folder, 'models') });
    expect(find('hf:c/r')).toBeUndefined();
  });

  it('is not kept if its weights are others than the hub says', async () => {
    const body = CHECKPOINT['model.safetensors']!;
    try {
      refuse = (request, response) => {
        if (!request.url!.endsWith('/model.safetensors')) return false;
        const location = `${storage.origin}/c/model.safetensors`;
        response.writeHead(302, { location, 'x-linked-etag': `"${shaOf(body)}"` }).end();
        CHECKPOINT['model.safetensors'] = Buffer.alloc(500_000, 'x');
        return true;
      };
      await expect(fetchModel('hf:c/r')).rejects.toThrow(/expected sha256/);
      expect(find('hf:c/r')).toBeUndefined();
    } finally {
      CHECKPOINT['model.safetensors'] = body;
    }
  });
});

describe('the choice of a file', () => {
  const files = (...names: [string, number][]): HubFile[] =>
    names.map(([path, mb]) => ({ path, bytes: mb * 1e6 }));
  const chosen = (list: HubFile[], free: number, tag?: string) =>
    choose(modelsIn(list), { repository: 'o/r', tag, free: free * 1e6 }).files[0]!.path;
  const LARGE = files(
    ['x-Q8_0.gguf', 8000],
    ['x-Q4_K_M.gguf', 4500],
    ['x-Q2_K.gguf', 2500],
    ['x-IQ1_S.gguf', 1200],
  );

  it('takes four bits, fewer where these do not fit, eight where they are small', () => {
    expect(chosen(LARGE, 16_000)).toBe('x-Q4_K_M.gguf');
    expect(chosen(LARGE, 4000)).toBe('x-Q2_K.gguf');
    expect(chosen(LARGE, 2000)).toBe('x-IQ1_S.gguf');
    expect(chosen(files(['s-Q8_0.gguf', 300], ['s-Q4_K_M.gguf', 180]), 16_000)).toBe('s-Q8_0.gguf');
    expect(() => chosen(LARGE, 1000)).toThrow('No file of o/r fits in the memory that is free, 1000 MB.');
  });

  it('finds tags as whole words, without regard to case', () => {
    expect(chosen(files(['m-IQ4_K.gguf', 1], ['m-Q4_K.gguf', 2]), 100, 'q4_k')).toBe('m-Q4_K.gguf');
    expect(chosen(files(['m.Q5_1.gguf', 1]), 100, 'Q5_1')).toBe('m.Q5_1.gguf');
    expect(() => chosen(files(['m-Q4_K_M.gguf', 1]), 100, 'Q4_K')).toThrow('has no file of Q4_K');
  });

  it('takes no file beside a model, no incomplete parts and no path that leads elsewhere', () => {
    const names: [string, number][] = [
      ['mmproj-F16.gguf', 1],
      ['imatrix.gguf', 1],
      ['a-00001-of-00002.gguf', 1],
      ['../b.gguf', 1],
      ['c:d.gguf', 1],
    ];
    expect(modelsIn(files(...names))).toEqual([]);
    expect(checkpointIn(files(['config.json', 0], ['../model.safetensors', 1]))).toEqual([]);
  });
});

describe('a registry of Ollama', () => {
  const BODY = FILES['m-Q4_K_M.gguf']!;
  const manifest = (digest: string, size: number) => ({
    schemaVersion: 2,
    layers: [
      { mediaType: 'application/vnd.ollama.image.license', digest: 'sha256:0', size: 1 },
      { mediaType: 'application/vnd.ollama.image.model', digest: `sha256:${digest}`, size },
    ],
  });

  async function registry(digest = shaOf(BODY), size = BODY.length) {
    const server = await startServer((request, response) => {
      if (request.url === '/v2/library/tiny/manifests/1b')
        response.end(JSON.stringify(manifest(digest, size)));
      else if (request.url?.includes('/blobs/')) {
        response.writeHead(307, { location: `${storage.origin}/o/m-Q4_K_M.gguf` }).end();
      } else response.writeHead(404).end();
    });
    servers.push(server);
    return { env: { OLLAMA_REGISTRY: server.origin } };
  }

  it('gives the layer of the model, checked by its digest', async () => {
    const model = await fetchModel('ollama:tiny:1b', await registry());
    expect(model).toMatchObject({ reference: 'ollama:tiny:1b', sha256: shaOf(BODY) });
    expect(readFileSync(model.path).equals(BODY)).toBe(true);
    expect(find('ollama:tiny:1b')?.path).toBe(model.path);
  });

  it('is refused if it has no such model, or another file', async () => {
    await expect(fetchModel('ollama:none', await registry())).rejects.toMatchObject({
      kind: 'model-not-found',
    });
    await expect(fetchModel('ollama:tiny:1b', await registry('0'.repeat(64)))).rejects.toThrow(
      /expected sha256 0+/,
    );
    await expect(fetchModel('ollama:tiny:1b', await registry('../x'))).rejects.toThrow('has no GGUF file');
  });
});
