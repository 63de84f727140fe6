import type { HuggingFaceReference } from '../reference.ts';
import { SourceFailure } from './failure.ts';
import { download } from './https.ts';
import { checkAccess, endpointOf, hubAddress, hubHeaders } from './hub.ts';
import type { Expected, Transfer } from './source.ts';

/** Fetches a file of a repository. Returns the sha256 that the hub reports. */
export async function fetchFromHuggingFace(transfer: Transfer<HuggingFaceReference>): Promise<Expected> {
  const { reference, expected, env } = transfer;
  const endpoint = endpointOf(env);
  const path = reference.file.split('/').map(encodeURIComponent).join('/');
  const address = `${reference.repository}/resolve/${reference.revision}/${path}`;
  let sha256 = expected.sha256;
  await download(hubAddress(endpoint, address), transfer, {
    headers: hubHeaders(env, endpoint),
    inspect(response, url) {
      if (url.origin !== endpoint.origin) return;
      checkAccess(response, reference.repository);
      const { headers } = response;
      const [, linked] = /^"?([0-9a-f]{64})"?$/.exec(`${headers['x-linked-etag'] ?? ''}`) ?? [];
      sha256 ??= linked;
      if (linked && linked !== sha256) throw new SourceFailure(`expected sha256 ${sha256}, got ${linked}`);
    },
  });
  return { sha256 };
}
