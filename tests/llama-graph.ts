/** The llama architecture over tensors without a file: tests provide their types and bytes. */
import type { Architecture } from '../core/architectures/architecture.ts';
import type { DecoderConfig } from '../core/architectures/decoder.ts';
import { Graph, type RecordedGraph } from '../core/architectures/graph.ts';
import { llama } from '../core/architectures/llama.ts';
import type { Gguf, GgufTensor } from '../core/gguf/index.ts';
import { rowBytes, type TensorType } from '../kernels/quant-formats.ts';

export interface TensorChoice {
  readonly tied?: boolean; // no output.weight; default true
  readonly biases?: boolean; // default false
  readonly typeOf?: (name: string, rows: number) => TensorType; // default F32
}

/** Shapes of all tensors by name, as GGUF orders dimensions. */
export function llamaShapes(c: DecoderConfig, { tied = true, biases = false }: TensorChoice = {}) {
  const { embeddingLength: C, feedForwardLength: F, nHeads: H, nKvHeads: G, headDim: D } = c;
  const shapes: [name: string, shape: number[]][] = [['token_embd.weight', [C, c.vocabularySize]]];
  const matrix = (name: string, rows: number, cols: number) => {
    shapes.push([`${name}.weight`, [cols, rows]]);
    if (biases) shapes.push([`${name}.bias`, [rows]]);
  };
  for (let i = 0; i < c.nLayers; i++) {
    shapes.push([`blk.${i}.attn_norm.weight`, [C]]);
    matrix(`blk.${i}.attn_q`, H * D, C);
    matrix(`blk.${i}.attn_k`, G * D, C);
    matrix(`blk.${i}.attn_v`, G * D, C);
    matrix(`blk.${i}.attn_output`, C, H * D);
    shapes.push([`blk.${i}.ffn_norm.weight`, [C]]);
    matrix(`blk.${i}.ffn_gate`, F, C);
    matrix(`blk.${i}.ffn_up`, F, C);
    matrix(`blk.${i}.ffn_down`, C, F);
  }
  shapes.push(['output_norm.weight', [C]]);
  if (!tied) shapes.push(['output.weight', [C, c.vocabularySize]]);
  return shapes;
}

/** The directory of a file with these tensors, in another order. */
export function llamaFile(config: DecoderConfig, choice: TensorChoice = {}): Gguf {
  const { typeOf = () => 'F32' } = choice;
  const tensors = llamaShapes(config, choice).map(([name, shape]): [string, GgufTensor] => {
    const [cols = 1, rows = 1] = shape;
    const type = typeOf(name, rows);
    return [name, { name, type, shape, offset: 0, bytes: rows * rowBytes(type, cols) }];
  });
  return {
    path: 'tiny.gguf',
    version: 3,
    fileBytes: 0,
    alignment: 32,
    metadata: new Map(),
    tensors: new Map(tensors),
  };
}

export function llamaGraph(config: DecoderConfig, choice: TensorChoice = {}): RecordedGraph {
  return graphOver(llamaFile(config, choice), config);
}

export function graphOver(
  gguf: Gguf,
  config: DecoderConfig,
  architecture: Architecture<DecoderConfig> = llama,
): RecordedGraph {
  const g = new Graph(gguf);
  return g.end(architecture.build(g, config));
}
