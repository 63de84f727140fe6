/**
 * Tokens that end a text or a turn although no metadata key points at them (llama.cpp 0c1e57098,
 * src/llama-vocab.cpp, special_eog_ids).
 */
const END_TEXTS = new Set([
  '<|im_end|>', // ChatML: Qwen, SmolLM
  '<|eot_id|>', // Llama 3
  '<|eom_id|>',
  '<|end|>', // Phi
  '<|return|>', // gpt-oss
  '<|call|>',
  '<|flush|>', // Solar
  '<|calls|>',
  '<end_of_turn>', // Gemma
  '<turn|>',
  '<|tool_response>',
  '<|endoftext|>', // GPT-2
  '<|end_of_text|>', // Llama 3, Granite
  '<end_of_utterance>', // SmolVLM
  '<EOT>', // Code Llama
  '_<EOT>',
  '[EOT]', // Kimi
  '[EOS]',
  '<eos>',
  '</s>',
  '<｜end▁of▁sentence｜>', // DeepSeek
  '[e~[', // MiniMax
  '<|fim_pad|>', // Qwen Coder: another file follows
  '<|repo_name|>',
  '<|file_sep|>',
]);

/** End-of-generation ids: the ids named in the metadata, and special tokens whose text is known. */
export function endIdsOf(specialTexts: ReadonlyMap<number, string>, named: Iterable<number>): Set<number> {
  const ends = new Set(named);
  const ids = new Map([...specialTexts].map(([id, text]) => [text, id]));
  for (const [text, id] of ids) if (END_TEXTS.has(text)) ends.add(id);
  // gpt-oss and Solar end a message with <|end|> and the turn with the others.
  const message = ids.get('<|end|>');
  const hasTurnEnd = (ids.has('<|call|>') && ids.has('<|return|>')) || ids.has('<|flush|>');
  if (message !== undefined && hasTurnEnd) ends.delete(message);
  return ends;
}
