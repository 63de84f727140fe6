/** What a model has to read and to multiply, from the shapes of its tensors: speeds are read against it. */
import type { Roofs } from '../backends/backend.ts';
import { ARCHITECTURES } from '../core/architectures/index.ts';
import type { Model } from '../core/index.ts';
import { type SpeedTest, timedSteps } from './speed-test.ts';

export interface ModelWork {
  readonly bodyBytes: number; // weights read in a step, as the file holds them, without the head
  readonly bodyMacs: number; // multiply-adds a token
  readonly headBytes: number; // read in a step that wants logits
  readonly headMacs: number; // a row of logits
  readonly kvBytes: number; // of a position, all layers
  readonly attentionMacs: number; // a token and position it attends to, all layers
}

export interface Work {
  readonly bytes: number;
  readonly macs: number; // multiply-adds
}

/** Matrices that make logits; the embedding table where it is tied. */
const HEADS = new Set(['output.weight', 'token_embd.weight']);

/** Of the embedding table only a row is read a token: it counts where it is the head as well. */
export function modelWork(
  model: Pick<Model, 'gguf' | 'config' | 'executable' | keyof KvPositions>,
): ModelWork {
  const { gguf, config, executable } = model;
  const work = { bodyBytes: 0, bodyMacs: 0, headBytes: 0, headMacs: 0 };
  for (const { name, rows, cols, op } of ARCHITECTURES[config.architecture].tensors(config)) {
    const bytes = gguf.tensors.get(name)?.bytes;
    if (bytes === undefined || op === 'embed') continue;
    const part = HEADS.has(name) ? 'head' : 'body';
    work[`${part}Bytes`] += bytes;
    if (op === 'matmul') work[`${part}Macs`] += rows * cols;
  }
  return {
    ...work,
    kvBytes: executable.memory.kv / (model.sequences * model.contextLength),
    attentionMacs: config.nLayers * config.nHeads * config.headDim * 2, // q k^T, then p v
  };
}

type KvPositions = Pick<Model, 'sequences' | 'contextLength'>;

/**
 * Least work of one run, a token. Weights are read once a step, however many tokens share it; the positions of a
 * sequence once a step too.
 */
export function workPerToken(model: ModelWork, test: SpeedTest, maxTokens: number): Work {
  const { batch } = test;
  let bytes = 0;
  let macs = 0;
  for (const { pos, count, logits } of timedSteps(test, maxTokens)) {
    const attended = count * pos + (count * (count + 1)) / 2; // token i of the step sees pos + i + 1 positions
    bytes += model.bodyBytes + batch * (pos + count) * model.kvBytes;
    macs += batch * (count * model.bodyMacs + attended * model.attentionMacs);
    if (!logits) continue;
    bytes += model.headBytes;
    macs += batch * model.headMacs;
  }
  const tokens = test.tokens * batch;
  return { bytes: bytes / tokens, macs: macs / tokens };
}

export interface RoofShares {
  readonly memory: number | null; // null: the backend has no roofs
  readonly multiply: number | null;
}

/** What part of the roofs `work` done `perSecond` times a second makes use of. */
export function roofShares(work: Work, perSecond: number, roofs: Roofs | undefined): RoofShares {
  if (!roofs) return { memory: null, multiply: null };
  return {
    memory: (work.bytes * perSecond) / roofs.readBytesPerSecond,
    multiply: (work.macs * perSecond) / roofs.multiplyAddsPerSecond,
  };
}
