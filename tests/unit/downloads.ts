/** Downloads from a server of the test's own into a folder of its own. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { pull } from '../../core/models/pull.ts';
import type { PullOptions, PullProgress } from '../../core/models/pull-options.ts';
import { parseReference } from '../../core/models/reference.ts';
import { modelPath } from '../../core/models/store.ts';
import { writeGguf } from './gguf-writer.ts';
import { type Handler, type ModelServer, startServer } from './model-server.ts';

export const BODY = writeGguf({
  tensors: [{ name: 'w', type: 'I8', shape: [3_000_000], data: Buffer.alloc(3_000_000, 'percept ') }],
});
/** A model of a type that percept does not know: Q4_0_4_4 of 2024. */
export const UNKNOWN_TYPE = writeGguf({
  tensors: [{ name: 'w', type: 31, shape: [64], data: new Uint8Array(36) }],
});
export const TWICE = writeGguf({
  tensors: [
    { name: 'w', shape: [1] },
    { name: 'w', shape: [1] },
  ],
});
export const shaOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
export const SHA = shaOf(BODY);
export const SOON = { retryMs: 1 };
export const HASTY = { patience: { ...SOON, connectMs: 300, stallMs: 300 } };

export let models: string;
export let server: ModelServer | undefined;
export let progress: PullProgress[];

beforeEach(() => {
  models = mkdtempSync(join(tmpdir(), 'percept-download-'));
  progress = [];
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(models, { recursive: true });
});

export async function serve(handler: Handler): Promise<string> {
  server = await startServer(handler);
  return `${server.origin}/model.gguf`;
}

export function fetchModel(text: string, options: Partial<PullOptions> = {}) {
  const onProgress = (event: PullProgress) => void progress.push(event);
  return pull(parseReference(text), { directories: { models }, patience: SOON, onProgress, ...options });
}

/**
 * Leaves the files of a process that was killed after `bytes`.
 * @param recorded the bytes that the record describes
 */
export function leavePartial(url: string, bytes: Buffer, etag: string, recorded = bytes): string {
  const path = `${modelPath(parseReference(url), { models })}.partial`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  writeFileSync(
    `${path}.json`,
    JSON.stringify({ source: url, validator: etag, bytes: recorded.length, sha256: shaOf(recorded) }),
  );
  return path;
}

export const rangesAsked = () => server?.requests.map(({ headers }) => headers.range);
