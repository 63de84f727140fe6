import { loadModel, type Model } from '../core/model.ts';
import { type ScoredChunk, type ScoreSummary, score as scoreIds } from '../core/score.ts';
import { engineOf } from './answer.ts';
import type { Call } from './commands.ts';
import { readText } from './input.ts';
import { loadOptionsOf, modelFile } from './model-file.ts';

const DEFAULT_CONTEXT = 512;

/** Perplexity of a text, cut into chunks of --ctx tokens. */
export async function score(call: Call): Promise<void> {
  const { operands, options } = call;
  const text = await readText(operands[0]!);
  const { path } = await modelFile(call);
  const ctx = options.ctx ?? DEFAULT_CONTEXT;
  const model = await loadModel(path, loadOptionsOf({ options: { ...options, ctx }, output: call.output }));
  try {
    await call.abortable((signal) => scoreText(call, model, text, signal));
  } finally {
    await model.dispose();
  }
}

async function scoreText(
  { options, output }: Call,
  model: Model,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  const { jsonl, json, chunks: wanted } = options;
  const engine = { model: options.model, ...engineOf(model), context: model.contextLength };
  if (jsonl) await output.json({ type: 'start', ...engine });
  const ids = model.tokenizer.encode(text);
  const chunks = scoreIds(model, ids, { chunkTokens: model.contextLength, chunks: wanted, signal });
  let next = await chunks.next();
  for (; !next.done; next = await chunks.next()) {
    if (jsonl) for (const token of tokensOf(next.value)) await output.json(token);
    else output.note(`chunk ${next.value.index + 1}: perplexity ${Math.exp(next.value.nllAll).toFixed(4)}`);
  }
  const summary = summaryOf(next.value);
  if (jsonl) return output.json({ type: 'end', ...summary });
  if (json) return output.json({ ...engine, ...summary });
  await output.print(`perplexity ${summary.perplexity.toFixed(4)}\n`);
  await output.print(`second half ${summary.perplexity_second_half.toFixed(4)}\n`);
  output.note(`${summary.chunks} chunks of ${model.contextLength} tokens`);
}

function* tokensOf({ index: chunk, tokens, logprobs }: ScoredChunk) {
  for (const [i, logprob] of logprobs.entries()) {
    yield { type: 'token', chunk, position: i + 1, id: tokens[i + 1], logprob };
  }
}

function summaryOf({ chunks, tokens, perplexity, perplexitySecondHalf }: ScoreSummary) {
  return { chunks, tokens, perplexity, perplexity_second_half: perplexitySecondHalf };
}
