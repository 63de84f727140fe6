import { type HuggingFaceReference, isSafeAddress } from '../reference.ts';
import { SourceFailure } from './failure.ts';
import { download } from './https.ts';
import type { Expected, Transfer } from './source.ts';

const ENDPOINT = 'https://huggingface.co';

/**
 * Fetches a file of a repository. HF_TOKEN is sent to the hub alone, never to the storage that it redirects to.
 * HF_ENDPOINT replaces the hub by a mirror. Returns the sha256 that the hub reports.
 */
export async function fetchFromHuggingFace(transfer: Transfer<HuggingFaceReference>): Promise<Expected> {
  const { reference, expected, env } = transfer;
  const endpoint = URL.parse(env.HF_ENDPOINT || ENDPOINT);
  if (!endpoint || !isSafeAddress(endpoint)) {
    throw new SourceFailure(`expected HF_ENDPOINT to be an https address, got "${env.HF_ENDPOINT}"`);
  }
  const path = reference.file.split('/').map(encodeURIComponent).join('/');
  const address = `${reference.repository}/resolve/${reference.revision}/${path}`;
  let sha256 = expected.sha256;
  await download(new URL(address, `${endpoint.href.replace(/\/*$/, '/')}`), transfer, {
    headers: (url) =>
      env.HF_TOKEN && url.origin === endpoint.origin ? { authorization: `Bearer ${env.HF_TOKEN}` } : {},
    inspect({ statusCode, headers }, url) {
      if (url.origin !== endpoint.origin) return;
      if (statusCode === 401 || statusCode === 403) {
        throw new SourceFailure(`HTTP ${statusCode}; no such public file, or HF_TOKEN may not read it`, {
          missing: true,
        });
      }
      const [, linked] = /^"?([0-9a-f]{64})"?$/.exec(`${headers['x-linked-etag'] ?? ''}`) ?? [];
      sha256 ??= linked;
      if (linked && linked !== sha256) throw new SourceFailure(`expected sha256 ${sha256}, got ${linked}`);
    },
  });
  return { sha256 };
}
