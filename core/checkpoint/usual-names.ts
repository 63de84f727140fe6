/** Names of tensors that most checkpoints have since Llama, and what GGUF calls them (llama.cpp gguf-py, tensor_mapping.py). */
export const USUAL_NAMES: Readonly<Record<string, string>> = {
  embed_tokens: 'token_embd',
  norm: 'output_norm',
  lm_head: 'output',
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.qkv_proj': 'attn_qkv',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
  'mlp.gate_up_proj': 'ffn_up',
  'mlp.gate': 'ffn_gate_inp',
  'mlp.gate.e_score_correction_bias': 'exp_probs_b.bias',
  'mlp.experts.gate_proj': 'ffn_gate_exps',
  'mlp.experts.up_proj': 'ffn_up_exps',
  'mlp.experts.down_proj': 'ffn_down_exps',
  'mlp.shared_experts.gate_proj': 'ffn_gate_shexp',
  'mlp.shared_experts.up_proj': 'ffn_up_shexp',
  'mlp.shared_experts.down_proj': 'ffn_down_shexp',
  'mlp.shared_expert.gate_proj': 'ffn_gate_shexp',
  'mlp.shared_expert.up_proj': 'ffn_up_shexp',
  'mlp.shared_expert.down_proj': 'ffn_down_shexp',
  'mlp.shared_expert_gate': 'ffn_gate_inp_shexp',
};

/** Names of Mamba-2 layers, after the name of their module. */
export const MAMBA_NAMES = (module: string): Readonly<Record<string, string>> => ({
  [`${module}.in_proj`]: 'ssm_in',
  [`${module}.conv1d`]: 'ssm_conv1d',
  [`${module}.dt_bias`]: 'ssm_dt.bias',
  [`${module}.A_log`]: 'ssm_a',
  [`${module}.D`]: 'ssm_d',
  [`${module}.norm`]: 'ssm_norm',
  [`${module}.out_proj`]: 'ssm_out',
});

/** Prefixes of models and of text models within models that also see or hear. */
export const PREFIX =
  /^(?:model\.language_model\.model\.|language_model\.model\.|model\.language_model\.|language_model\.|model\.text_model\.|model\.|transformer\.|bert\.|roberta\.|backbone\.|gpt_neox\.)/;

/** Runs of blocks. */
export const BLOCK = /^(?:layers|encoder\.layers?|h|blocks)\.(\d{1,5})\./;

/**
 * Tensors that no text model computes with: tables that follow from the config, masks, heads for further tokens, and the
 * parts that see and hear, which are not supported.
 */
export const LEFT_OUT: readonly RegExp[] = [
  /rotary_emb\.inv_freq$/,
  /\.attn\.(?:masked_)?bias$/,
  /\.attention\.(?:masked_bias|bias)$/,
  /^mtp\./,
  /^(?:model\.)?(?:visual|vision_tower|vision_model|audio_tower|embed_vision|embed_audio|multi_modal_projector|vision_embed_tokens)\./,
  /\.[kv]_scale$/,
  /\.input_scale$/,
];
