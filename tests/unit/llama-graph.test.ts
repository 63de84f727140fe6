/** The llama architecture as a graph, without a file and without computation. */
import { describe, expect, it } from 'vitest';
import { shapesOf, weightsOf } from '../../backends/ops.ts';
import { ReferenceBackend } from '../../backends/reference.ts';
import type { DecoderConfig } from '../../core/architectures/decoder.ts';
import { smollm3 } from '../../core/architectures/smollm3.ts';
import type { Gguf, GgufTensor } from '../../core/gguf/index.ts';
import { programOn } from '../../core/program.ts';
import { graphOver, llamaFile, llamaGraph, llamaShapes } from '../llama-graph.ts';

const CONFIG: DecoderConfig = {
  nLayers: 2,
  embeddingLength: 64,
  feedForwardLength: 160,
  nHeads: 4,
  nKvHeads: 2,
  headDim: 24, // heads together are wider than the embedding
  vocabularySize: 320,
  contextLength: 256,
  rmsEps: 1e-6,
  rope: { layout: 'interleaved', inverseFrequencies: new Array(12).fill(1) },
};
const LIMITS = { sequences: 1, contextLength: 8, maxTokens: 8 };
const NOWHERE = { name: '', limits: LIMITS, source: () => ({ bytes: new Uint8Array() }) };

function tensor(name: string, ...shape: number[]): [string, GgufTensor] {
  return [name, { name, type: 'F32', shape, offset: 0, bytes: 0 }];
}

function changed(...changes: [string, GgufTensor][]): Gguf {
  const gguf = llamaFile(CONFIG);
  return { ...gguf, tensors: new Map([...gguf.tensors, ...changes]) };
}

describe('the graph of a SmolLM 3', () => {
  it('rotates queries and keys in all layers but every fourth', () => {
    const rotates = Array.from({ length: 9 }, (_, i) => (i + 1) % 4 !== 0);
    const config = { ...CONFIG, nLayers: 9, rotates };
    const { ops } = graphOver(llamaFile(config), config, smollm3);
    const layers = ops.filter((op) => op.op === 'attention');
    const isRotated = layers.map(({ q, k }) => [q, k!].map((value) => ops[value]!.op === 'rope'));
    expect(isRotated).toEqual(Array.from({ length: 9 }, (_, i) => Array(2).fill(i !== 3 && i !== 7)));
  });
});

describe('the graph of a llama', () => {
  it.each([
    ['tied', {}],
    ['with a head of its own', { tied: false }],
    ['with biases', { biases: true }],
  ])('reads each tensor of the file once, %s', (_, choice) => {
    const graph = llamaGraph(CONFIG, choice);
    const names = llamaShapes(CONFIG, choice).map(([name]) => name);
    expect(graph.tensors.map(({ name }) => name).sort()).toEqual(names.sort());
    const read = new Set(graph.ops.flatMap((op) => weightsOf(op)));
    expect(read).toEqual(new Set(graph.tensors.keys()));
  });

  it('makes logits of selected rows, and selects before the last layer feeds forward', () => {
    const graph = llamaGraph(CONFIG);
    const shapes = shapesOf(graph, (id) => graph.tensors[id]!);
    expect(shapes).toEqual(graph.shapes);
    expect(shapes[graph.output]).toEqual({ rows: 'outputs', cols: 320 });
    const names = graph.ops.flatMap((op, i) =>
      op.op === 'matmul' && shapes[i]!.rows === 'outputs' ? [graph.tensors[op.weight]!.name] : [],
    );
    expect(names).toEqual([
      'blk.1.attn_output.weight',
      'blk.1.ffn_gate.weight',
      'blk.1.ffn_up.weight',
      'blk.1.ffn_down.weight',
      'token_embd.weight',
    ]);
  });

  it('keeps a state for each layer', () => {
    const state = { kind: 'kv', kvHeads: 2, keyDim: 24, valueDim: 24 };
    const { states, ops } = llamaGraph(CONFIG);
    expect(states).toEqual([state, state]);
    expect(ops.flatMap((op) => (op.op === 'attention' ? [op.state] : []))).toEqual([0, 1]);
  });

  it.each([
    [
      'a shape',
      [tensor('blk.0.ffn_up.weight', 160, 64)],
      'blk.0.ffn_up.weight with shape [64, 160], got [160, 64].',
    ],
    [
      'an extra dimension',
      [tensor('output_norm.weight', 64, 1, 2)],
      'output_norm.weight with shape [64], got [64, 1, 2].',
    ],
    [
      'a bias of another size',
      [tensor('blk.0.attn_k.bias', 96)],
      'blk.0.attn_k.bias with shape [48], got [96].',
    ],
    [
      'a tensor that would be ignored',
      [tensor('blk.0.attn_q_norm.weight', 24)],
      'The tensor blk.0.attn_q_norm.weight is not supported yet in models of this architecture.',
    ],
    [
      'a scale that would be ignored',
      [tensor('blk.0.attn_q.scale', 1)],
      'blk.0.attn_q.scale is not supported',
    ],
  ])('refuses %s', (_, changes, message) => {
    expect(() => graphOver(changed(...changes), CONFIG)).toThrow(message);
  });

  it('passes over empty tensors and scalars, which are no weights', () => {
    const marks = [tensor('__index_timestep_zero__', 0), tensor('some.scalar', 1)];
    expect(graphOver(changed(...marks), CONFIG).tensors).toEqual(graphOver(changed(), CONFIG).tensors);
  });

  it('ends at the first missing layer, however many are claimed', () => {
    const claimed = { ...CONFIG, nLayers: 2 ** 31 - 1 };
    const message = 'The file has no tensor blk.2.attn_norm.weight of shape [64].';
    expect(() => graphOver(llamaFile(CONFIG), claimed)).toThrow(message);
  });

  it('reports a file with only a vocabulary', () => {
    const empty = { ...llamaFile(CONFIG), tensors: new Map<string, GgufTensor>() };
    expect(() => graphOver(empty, CONFIG)).toThrow('tiny.gguf has no weights');
  });
});

describe('programOn', () => {
  it('gives every tensor one id, whatever ids the backend assigned before', () => {
    const backend = new ReferenceBackend();
    backend.weight({ name: 'another', type: 'F32', rows: 1, cols: 1 }, { bytes: new Uint8Array(4) });
    const graph = llamaGraph(CONFIG);
    const { ops, output } = programOn(backend, graph, NOWHERE);
    expect(new Set(ops.flatMap((op) => weightsOf(op)))).toEqual(
      new Set(graph.tensors.keys().map((id) => id + 1)),
    );
    const [embed, head] = [ops[0]!, ops[output]!];
    expect(weightsOf(head)).toEqual(weightsOf(embed)); // a tied head is the embedding table again
  });

  it('names the first tensor whose type the backend does not support', () => {
    const graph = llamaGraph(CONFIG, { typeOf: () => 'IQ2_S' });
    expect(() => programOn(new ReferenceBackend(), graph, NOWHERE)).toThrow(
      'token_embd.weight: IQ2_S is not supported yet',
    );
  });
});
