/**
 * Models of Ollama's registry: a manifest lists layers, and the one of the model is a GGUF file, found by its digest
 * (ollama, server/images.go). OLLAMA_REGISTRY replaces the registry by a mirror.
 */
import { isSafeAddress, type OllamaReference } from '../reference.ts';
import { SourceFailure } from './failure.ts';
import { download, fetchJson } from './https.ts';
import type { Expected, Transfer } from './source.ts';

const REGISTRY = 'https://registry.ollama.ai';
const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const MODEL = 'application/vnd.ollama.image.model';

export async function fetchFromOllama(transfer: Transfer<OllamaReference>): Promise<Expected> {
  const { reference, env } = transfer;
  const registry = URL.parse(env.OLLAMA_REGISTRY || REGISTRY);
  if (!registry || !isSafeAddress(registry))
    throw new SourceFailure(`expected OLLAMA_REGISTRY to be an https address, got "${env.OLLAMA_REGISTRY}"`);
  const { name, tag } = reference;
  const manifest = await fetchJson(new URL(`/v2/${name}/manifests/${tag}`, registry), transfer, {
    headers: () => ({ accept: MANIFEST }),
  });
  const { digest, size } = modelLayer(manifest.value);
  const expected = { bytes: size, sha256: digest };
  await download(new URL(`/v2/${name}/blobs/sha256:${digest}`, registry), { ...transfer, expected });
  return expected;
}

function modelLayer(manifest: unknown): { digest: string; size: number } {
  const { layers } = (manifest ?? {}) as { layers?: unknown };
  const list = Array.isArray(layers) ? (layers as Record<string, unknown>[]) : [];
  const layer = list.find((each) => each?.mediaType === MODEL);
  const digest = /^sha256:([0-9a-f]{64})$/.exec(String(layer?.digest))?.[1];
  if (digest && Number.isSafeInteger(layer?.size)) return { digest, size: Number(layer!.size) };
  throw new SourceFailure('the registry has no GGUF file of this model');
}
