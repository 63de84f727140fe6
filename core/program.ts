/** Turns a model's graph into the program that a backend compiles, and estimates its memory. */
import type { Backend, KvType, Limits, MemoryUse, Program, WeightSource } from '../backends/backend.ts';
import { fuse, lastReads, usesOf } from '../backends/fuse.ts';
import { recurrentBytes, rewired } from '../backends/ops.ts';
import { checkSupport } from '../backends/program-weights.ts';
import { ringOf } from '../backends/rings.ts';
import type { RecordedGraph } from './architectures/graph.ts';
import type { GraphTensor } from './architectures/graph-tensors.ts';

/**
 * Gives the graph's tensors to a backend and returns the program over them. Throws UserError, with the name of its
 * tensor, for the first op that the backend does not compute.
 */
export function programOn(
  backend: Backend,
  graph: RecordedGraph,
  { name, limits, source }: { name: string; limits: Limits; source: (tensor: GraphTensor) => WeightSource },
): Program {
  const { ops, output, states, tensors } = graph;
  checkSupport(graph, (id) => tensors[id]!, backend);
  const ids = tensors.map((tensor) => {
    const { name, type, rows, cols, experts } = tensor;
    return backend.weight({ name, type, rows, cols, experts }, source(tensor));
  });
  const weight = (id: number) => ids[id]!;
  return { name, ops: ops.map((op) => rewired(op, { weight })), output, states, limits };
}

/** Bytes in the file of all tensors that the graph reads. */
export function weightBytesOf({ tensors }: Pick<RecordedGraph, 'tensors'>): number {
  return tensors.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Bytes of a key of one head at one position, of head size D. */
const KEY_BYTES: Readonly<Record<KvType, (D: number) => number>> = {
  f32: (D) => 4 * D,
  f16: (D) => 2 * D,
  q8: (D) => 36 * Math.ceil(D / 32), // blocks of 32 codes with a float32 scale
};
/** The same for values. */
const VALUE_BYTES: Readonly<Record<KvType, (D: number) => number>> = {
  f32: (D) => 4 * D,
  f16: (D) => 2 * D,
  q8: (D) => 16 * Math.ceil(D / 16) + 4, // codes in blocks of 16, and one scale
};

/**
 * Estimated memory of a model on a fast backend: weights of the same size as in the file, and float32 for all values
 * that are live at once; of states that are read through windows, what `cpu` keeps. The reference backend uses more: 4 bytes
 * for each weight, and memory for every value.
 */
export function estimateMemory(graph: RecordedGraph, limits: Limits): MemoryUse {
  return memoryUse(graph, limits, mostColumns(graph));
}

/** No less than the estimate, and found in a small part of its time: as if all values were live at once. */
export function boundMemory(graph: RecordedGraph, limits: Limits): MemoryUse {
  return memoryUse(
    graph,
    limits,
    graph.shapes.reduce((sum, { cols }) => sum + cols, 0),
  );
}

/** @param columns of values that are live at the same time */
function memoryUse(graph: RecordedGraph, limits: Limits, columns: number): MemoryUse {
  const { sequences, contextLength, maxTokens, kvType = 'f32', attention } = limits;
  const { positions = sequences * contextLength } = limits;
  const ring = ringOf({ ...graph, limits });
  const kv = graph.states.reduce((sum, state, id) => {
    if (state.kind === 'recurrent') return sum;
    const bytes = state.kvHeads * (KEY_BYTES[kvType](state.keyDim) + VALUE_BYTES[kvType](state.valueDim));
    return sum + bytes * (ring?.states.has(id) ? sequences * ring.positions : positions);
  }, 0);
  const heads = graph.ops.reduce((sum, op) => sum + (op.op === 'attention' ? op.heads : 0), 0);
  return {
    weights: weightBytesOf(graph),
    kv: kv + recurrentBytes(graph.states, sequences),
    arena: 4 * (maxTokens * columns + (attention ? heads * contextLength : 0)),
  };
}

/** Most columns of values that are live at the same time. */
function mostColumns(graph: RecordedGraph): number {
  const kept = [graph.output];
  const uses = fuse(graph.ops, kept).map(usesOf);
  const last = lastReads(uses, kept);
  let [alive, most] = [0, 0];
  for (const [i, { reads, writes }] of uses.entries()) {
    for (const value of writes) alive += graph.shapes[value]!.cols;
    most = Math.max(most, alive);
    for (const value of new Set([...reads, ...writes])) {
      if (last.get(value) === i) alive -= graph.shapes[value]!.cols;
    }
  }
  return most;
}
