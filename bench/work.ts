/** What a model has to read and to multiply, counted over its program: speeds are read against it. */
import type { Roofs } from '../backends/backend.ts';
import { kvOf, recurrentBytes, weightsOf } from '../backends/ops.ts';
import type { Model } from '../core/index.ts';
import { type SpeedTest, timedSteps } from './speed-test.ts';

export interface ModelWork {
  readonly bodyBytes: number; // weights read in every step, as the file holds them
  readonly bodyMacs: number; // multiply-adds a token
  readonly headBytes: number; // read besides in a step that wants logits
  readonly headMacs: number; // a row of logits
  readonly kvBytes: number; // of a position, all layers
  readonly attentionMacs: number; // a token and position it attends to, all layers
}

export interface Work {
  readonly bytes: number;
  readonly macs: number; // multiply-adds
}

/**
 * Counted op by op. What is computed of selected rows only, the head and the end of the last layer, counts as read in
 * steps that want logits. Of an embedding table only a row is read a token: it counts where a product reads it too.
 */
export function modelWork({ graph, executable, ...sizes }: WorkFacts): ModelWork {
  const work = { bodyBytes: 0, bodyMacs: 0, headBytes: 0, headMacs: 0, attentionMacs: 0 };
  for (const [i, op] of graph.ops.entries()) {
    const part = graph.shapes[i]!.rows === 'outputs' ? 'head' : 'body';
    if (op.op === 'attention') {
      const { keyDim, valueDim } = kvOf(op, graph.states);
      work.attentionMacs += op.heads * (keyDim + valueDim); // q k^T, then p v
    }
    if (op.op === 'embed') continue;
    for (const id of weightsOf(op)) {
      const { bytes, rows, cols } = graph.tensors[id]!;
      work[`${part}Bytes`] += bytes;
      if ((op.op === 'matmul' || op.op === 'conv') && id === op.weight) work[`${part}Macs`] += rows * cols;
    }
  }
  const { sequences, contextLength } = sizes;
  const recurrent = recurrentBytes(graph.states, sequences);
  return { ...work, kvBytes: Math.max(0, executable.memory.kv - recurrent) / (sequences * contextLength) };
}

type WorkFacts = Pick<Model, 'graph' | 'executable' | keyof KvPositions>;
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
