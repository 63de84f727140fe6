/** Bytes read and multiply-adds of a model, counted over its program. Shares of the roofs are computed from them. */
import type { KvShape, Roofs } from '../backends/backend.ts';
import { kvOf, recurrentBytes, weightsOf } from '../backends/ops.ts';
import type { Model } from '../core/index.ts';
import { type SpeedTest, timedSteps } from './speed-test.ts';

export interface ModelWork {
  readonly bodyBytes: number; // weights read in every step, as the file holds them
  readonly bodyMacs: number; // multiply-adds a token
  readonly experts: readonly ExpertWork[];
  readonly headBytes: number; // read in addition in a step that wants logits
  readonly headMacs: number; // multiply-adds a row of logits
  readonly attention: readonly AttentionWork[];
}

/** The attentions of one op or of several alike. */
interface AttentionWork {
  readonly window: number; // positions that a token attends to; Infinity without
  readonly kvBytes: number; // of a position
  readonly macs: number; // multiply-adds a token and position that it attends to
}

/** Weights of experts. */
interface ExpertWork {
  readonly part: 'body' | 'head';
  readonly bytes: number; // of all experts
  readonly share: number; // that one token picks
}

export interface Work {
  readonly bytes: number;
  readonly macs: number; // multiply-adds
}

/**
 * Counts op by op. Ops on selected rows only, those of the head and of the end of the last layer, count as the head:
 * their weights are read in steps that want logits. A token reads one row of an embedding table, so the table counts
 * only if a product reads it too.
 */
export function modelWork({ graph, executable, ...sizes }: WorkFacts): ModelWork {
  const experts: ExpertWork[] = [];
  const work = { bodyBytes: 0, bodyMacs: 0, headBytes: 0, headMacs: 0 };
  const attention: AttentionWork[] = [];
  const bytesOf = cacheBytes({ graph, executable, ...sizes });
  for (const [i, op] of graph.ops.entries()) {
    const part = graph.shapes[i]!.rows === 'outputs' ? 'head' : 'body';
    if (op.op === 'attention') {
      const shape = kvOf(op, graph.states);
      const macs = op.heads * (shape.keyDim + shape.valueDim); // q k^T, then p v
      attention.push({ window: op.window ?? Number.POSITIVE_INFINITY, kvBytes: bytesOf(shape), macs });
    }
    if (op.op === 'embed') continue;
    if (op.op === 'expert-matmul') {
      const { bytes, rows, cols, experts: count = 1 } = graph.tensors[op.weight]!;
      const share = op.picks === undefined ? 1 : graph.shapes[op.picks]!.cols / 2 / count;
      experts.push({ part, bytes, share });
      work[`${part}Macs`] += share * rows * cols;
      continue;
    }
    for (const id of weightsOf(op)) {
      const { bytes, rows, cols } = graph.tensors[id]!;
      work[`${part}Bytes`] += bytes;
      if ((op.op === 'matmul' || op.op === 'conv') && id === op.weight) work[`${part}Macs`] += rows * cols;
    }
  }
  return { ...work, attention: alike(attention), experts };
}

/** Bytes of a position of keys and values: the share that they have in the executable's memory. */
function cacheBytes({ graph, executable, sequences, contextLength }: WorkFacts): (shape: KvShape) => number {
  const numbers = ({ kvHeads, keyDim, valueDim }: KvShape) => kvHeads * (keyDim + valueDim);
  const held = graph.states.reduce((sum, state, id) => {
    if (state.kind === 'recurrent') return sum;
    const positions = executable.ring?.states.has(id) ? executable.ring.positions : contextLength;
    return sum + sequences * positions * numbers(state);
  }, 0);
  const kv = Math.max(0, executable.memory.kv - recurrentBytes(graph.states, sequences));
  return (shape) => (kv / held) * numbers(shape);
}

/** Sums of those with the same window. */
function alike(attention: readonly AttentionWork[]): AttentionWork[] {
  const groups = Map.groupBy(attention, ({ window }) => window);
  return Array.from(groups, ([window, all]) => ({
    window,
    kvBytes: all.reduce((sum, { kvBytes }) => sum + kvBytes, 0),
    macs: all.reduce((sum, { macs }) => sum + macs, 0),
  }));
}

type WorkFacts = Pick<Model, 'graph' | 'executable' | keyof KvPositions>;
type KvPositions = Pick<Model, 'sequences' | 'contextLength'>;

/**
 * Least work of one run, per token. A step reads the weights once, however many tokens share it, and each position that a
 * token of it sees once. Of experts it reads those that its tokens pick, as if each picked at random.
 */
export function workPerToken(model: ModelWork, test: SpeedTest, maxTokens: number): Work {
  const { batch } = test;
  let bytes = 0;
  let macs = 0;
  for (const { pos, count, logits } of timedSteps(test, maxTokens)) {
    bytes += model.bodyBytes;
    bytes += expertBytes(model, 'body', batch * count) + (logits ? expertBytes(model, 'head', batch) : 0);
    macs += batch * count * model.bodyMacs;
    for (const { window, kvBytes, macs: perPosition } of model.attention) {
      bytes += batch * Math.min(pos + count, window + count - 1) * kvBytes;
      macs += batch * attended(pos, count, window) * perPosition;
    }
    if (!logits) continue;
    bytes += model.headBytes;
    macs += batch * model.headMacs;
  }
  const tokens = test.tokens * batch;
  return { bytes: bytes / tokens, macs: macs / tokens };
}

/** Pairs of a token of a step and a position that it sees. */
function attended(pos: number, count: number, window: number): number {
  const growing = Math.max(0, Math.min(count, window - pos)); // tokens that see all positions, pos + 1 and so on
  return growing * pos + (growing * (growing + 1)) / 2 + (growing < count ? (count - growing) * window : 0);
}

/** Bytes of the experts that at least one of `tokens` tokens picks. */
function expertBytes({ experts }: ModelWork, part: ExpertWork['part'], tokens: number): number {
  const read = experts.map((one) => (one.part === part ? one.bytes * (1 - (1 - one.share) ** tokens) : 0));
  return read.reduce((sum, bytes) => sum + bytes, 0);
}

export interface RoofShares {
  readonly memory: number | null; // null: the backend has no roofs
  readonly multiply: number | null;
}

/** Shares of the roofs that `work`, done `perSecond` times a second, uses. */
export function roofShares(work: Work, perSecond: number, roofs: Roofs | undefined): RoofShares {
  if (!roofs) return { memory: null, multiply: null };
  return {
    memory: (work.bytes * perSecond) / roofs.readBytesPerSecond,
    multiply: (work.macs * perSecond) / roofs.multiplyAddsPerSecond,
  };
}
