/**
 * Tiny llama checkpoints in Hugging Face layout against transformers in float64: rotation in halves, tied and untied
 * heads, and the frequency factors of Llama 3.1, which GGUF files contain precomputed in rope_freqs.weight. Weights are
 * read from the files as they are stored: phi3 has q, k, v in one matrix, gate and up in another; llama-f8 has 8-bit
 * floats with a scale for each matrix.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { Backend, SourceMatrix } from '../../backends/backend.ts';
import type { DecoderConfig } from '../../core/architectures/decoder.ts';
import { programOn } from '../../core/program.ts';
import { withModels } from '../backend/backends.ts';
import { llamaGraph } from '../llama-graph.ts';
import { describeShared } from '../shared.ts';
import { titled } from '../titled.ts';
import { argmax, distance, logitsOf } from './logits.ts';
import { readSafetensors, safetensorsRanges } from './safetensors.ts';

interface Llama3Scaling {
  readonly rope_type: 'default' | 'llama3';
  readonly rope_theta: number;
  readonly factor: number;
  readonly low_freq_factor: number;
  readonly high_freq_factor: number;
  readonly original_max_position_embeddings: number;
}

interface Golden {
  readonly input_ids: number[];
  readonly greedy_ids: number[];
  readonly greedy_margin: number[];
}

const TOLERANCE = 1e-5; // logits around 1; float32 sums, and float32 angles in the golden

describeShared('llama checkpoints', (path) => {
  for (const checkpoint of [
    'architectures/llama',
    'architectures/llama3-rope',
    'architectures/phi3',
    'variants/llama-f8',
  ]) {
    for (const { name, absent, start } of withModels()) {
      it.skipIf(absent)(titled(`${checkpoint} on ${name}`, absent), async () => {
        const folder = path(`goldens/${checkpoint}`);
        const golden: Golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8'));
        const expected = readSafetensors(`${folder}/golden.safetensors`)('logits');
        const backend = await start();
        const executable = await compile(backend, folder);
        const ids = [...golden.input_ids, ...golden.greedy_ids.slice(0, -1)];
        const rows = await Array.fromAsync(logitsOf({ executable }, ids));
        await backend.dispose();

        const prompt = rows.slice(0, golden.input_ids.length);
        expect(
          distance(
            prompt.flatMap((row) => [...row]),
            expected,
          ),
        ).toBeLessThan(TOLERANCE);
        for (const [step, row] of rows.slice(prompt.length - 1).entries()) {
          expect(golden.greedy_margin[step]).toBeGreaterThan(2 * TOLERANCE);
          expect(argmax(row), `greedy id ${step}`).toBe(golden.greedy_ids[step]);
        }
      });
    }
  }
});

/** The checkpoint as a program, with its tensors under their GGUF names. */
function compile(backend: Backend, folder: string) {
  const json = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8'));
  const config = configOf(json);
  const range = safetensorsRanges(`${folder}/model.safetensors`);
  const graph = llamaGraph(config, { tied: json.tie_word_embeddings });
  const source = ({ name }: { name: string }) => sourceOf(huggingFaceName(name), range, config);
  const limits = { sequences: 1, contextLength: 64, maxTokens: 32 };
  return backend.compile(programOn(backend, graph, { name: folder, limits, source }));
}

const NAMES: Record<string, string> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

function huggingFaceName(name: string): string {
  const [, layer, tensor] = /^(?:blk\.(\d+)\.)?(\w+)\.weight$/.exec(name)!;
  return `${layer ? `model.layers.${layer}.` : ''}${NAMES[tensor!]}.weight`;
}

type Ranges = ReturnType<typeof safetensorsRanges>;

/** A tensor by its own name, or out of a fused one, in F32. */
function sourceOf(name: string, range: Ranges, config: DecoderConfig): SourceMatrix {
  const whole = range(name) ?? fusedRows(name, range, config);
  const scale = range(name.replace(/weight$/, 'weight_scale'));
  if (!scale) return whole;
  const { rows, cols } = range(name)!;
  return { op: 'map', of: whole, fn: 'multiply', by: { of: scale, rows, cols } };
}

function fusedRows(name: string, range: Ranges, c: DecoderConfig): SourceMatrix {
  const [Q, K, F] = [c.nHeads * c.headDim, c.nKvHeads * c.headDim, c.feedForwardLength];
  const parts: Record<string, { fused: string; first: number; count: number }> = {
    q_proj: { fused: 'qkv_proj', first: 0, count: Q },
    k_proj: { fused: 'qkv_proj', first: Q, count: K },
    v_proj: { fused: 'qkv_proj', first: Q + K, count: K },
    gate_proj: { fused: 'gate_up_proj', first: 0, count: F },
    up_proj: { fused: 'gate_up_proj', first: F, count: F },
  };
  const part = name.split('.').at(-2)!;
  const { fused, first, count } = parts[part]!;
  return { op: 'slice', of: range(name.replace(part, fused))!, axis: 'rows', first, count };
}

/** Of a parsed config.json. */
function configOf(json: ReturnType<typeof JSON.parse>): DecoderConfig {
  const headDim = json.head_dim ?? json.hidden_size / json.num_attention_heads;
  return {
    nLayers: json.num_hidden_layers,
    embeddingLength: json.hidden_size,
    feedForwardLength: json.intermediate_size,
    nHeads: json.num_attention_heads,
    nKvHeads: json.num_key_value_heads,
    headDim,
    vocabularySize: json.vocab_size,
    contextLength: json.max_position_embeddings,
    rmsEps: json.rms_norm_eps,
    rope: { layout: 'half', inverseFrequencies: inverseFrequencies(headDim / 2, json.rope_parameters) },
  };
}

/**
 * Llama 3.1 slows rotations longer than the original context by `factor`, keeps those shorter than
 * original / high_freq_factor, and blends in between (transformers, `_compute_llama3_parameters`).
 */
function inverseFrequencies(pairs: number, scaling: Llama3Scaling): number[] {
  const { factor, low_freq_factor: low, high_freq_factor: high, rope_theta: base } = scaling;
  return Array.from({ length: pairs }, (_, i) => {
    const frequency = base ** (-i / pairs);
    if (scaling.rope_type === 'default') return frequency;
    const rotations = (scaling.original_max_position_embeddings * frequency) / (2 * Math.PI);
    const kept = Math.min(1, Math.max(0, (rotations - low) / (high - low)));
    return (frequency * (1 - kept)) / factor + frequency * kept;
  });
}
