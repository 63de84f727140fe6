/** The address of Hugging Face's hub, or of a mirror, what it may be told, and what it has. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import type { HubFile } from '../hub-files.ts';
import { type HubReference, isSafeAddress } from '../reference.ts';
import { SourceFailure } from './failure.ts';
import { type Asking, fetchJson } from './https.ts';

const ENDPOINT = 'https://huggingface.co';
/** Files of the largest repositories, and pages of their listings. */
const MOST_PAGES = 20;

/** HF_ENDPOINT replaces the hub by a mirror. Throws SourceFailure for one that is no safe address. */
export function endpointOf(env: NodeJS.ProcessEnv): URL {
  const endpoint = URL.parse(env.HF_ENDPOINT || ENDPOINT);
  if (endpoint && isSafeAddress(endpoint)) return endpoint;
  throw new SourceFailure(`expected HF_ENDPOINT to be an https address, got "${env.HF_ENDPOINT}"`);
}

/** An address below the endpoint, which may have a path of its own. */
export function hubAddress(endpoint: URL, path: string): URL {
  return new URL(path, `${endpoint.href.replace(/\/*$/, '/')}`);
}

/** HF_TOKEN, or the token that the hub's own client has stored. It goes to the hub alone, never to where it redirects. */
export function hubHeaders(env: NodeJS.ProcessEnv, endpoint: URL): (url: URL) => OutgoingHttpHeaders {
  const token = tokenIn(env);
  return (url) => (token && url.origin === endpoint.origin ? { authorization: `Bearer ${token}` } : {});
}

function tokenIn(env: NodeJS.ProcessEnv): string | undefined {
  if (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN) return env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN;
  if (/^(?:1|on|yes|true)$/i.test(env.HF_HUB_DISABLE_IMPLICIT_TOKEN ?? '')) return undefined;
  const cache = env.XDG_CACHE_HOME || (env.HOME && join(env.HOME, '.cache'));
  const home = env.HF_HOME || (cache && join(cache, 'huggingface'));
  const path = env.HF_TOKEN_PATH || (home && join(home, 'token'));
  if (!path) return undefined;
  try {
    const text = readFileSync(path, 'utf8').trim();
    return /^hf_[A-Za-z0-9]+$/.test(text) ? text : undefined;
  } catch {
    return undefined; // no one has logged in
  }
}

/** Throws SourceFailure for an answer of the hub that it gives no such file. */
export function checkAccess({ statusCode, headers }: IncomingMessage, repository: string): void {
  if (statusCode !== 401 && statusCode !== 403) return;
  const isGated = headers['x-error-code'] === 'GatedRepo';
  const reason = isGated
    ? `its licence must be accepted: open ${ENDPOINT}/${repository}, then set HF_TOKEN`
    : 'no such public file, or HF_TOKEN may not read it';
  throw new SourceFailure(`HTTP ${statusCode}; ${reason}`, { missing: true });
}

/** All files of a repository. What the hub says is data: names and sizes are checked. */
export async function listRepository(reference: HubReference, asking: Asking): Promise<HubFile[]> {
  const endpoint = endpointOf(asking.env);
  const { repository, revision } = reference;
  const files: HubFile[] = [];
  let address: URL | undefined = hubAddress(
    endpoint,
    `api/models/${repository}/tree/${encodeURIComponent(revision)}?recursive=true`,
  );
  for (let page = 0; address && page < MOST_PAGES; page++) {
    const { value, headers } = await fetchJson(address, asking, {
      headers: hubHeaders(asking.env, endpoint),
      inspect: (response, url) => {
        if (url.origin === endpoint.origin) checkAccess(response, repository);
      },
    });
    if (!Array.isArray(value)) throw new SourceFailure('the hub sent no list of files');
    files.push(...value.flatMap(fileOf));
    const next = /<([^>]+)>;\s*rel="next"/.exec(`${headers.link ?? ''}`)?.[1];
    const url: URL | null | undefined = next === undefined ? undefined : URL.parse(next, address.href);
    address = url && url.origin === endpoint.origin ? url : undefined;
  }
  return files;
}

function fileOf(entry: unknown): HubFile[] {
  const { type, path, size, lfs } = (entry ?? {}) as Record<string, unknown>;
  if (type !== 'file' || typeof path !== 'string' || !Number.isSafeInteger(size) || Number(size) < 0)
    return [];
  const oid = (lfs as { oid?: unknown } | undefined)?.oid;
  const sha256 = typeof oid === 'string' && /^[0-9a-f]{64}$/.test(oid) ? oid : undefined;
  return [{ path, bytes: Number(size), sha256 }];
}
