import type { Model } from '../../core/model.ts';
import { LEAST_CHUNK, type ScoredChunk, type ScoreSummary, score as scoreIds } from '../../core/score.ts';
import { engineOf } from '../answer/printer.ts';
import type { Call } from '../command.ts';
import { readText } from '../input.ts';
import { load } from '../load.ts';
import { modelFile } from '../model-file.ts';
import { ProgressDisplay } from '../progress/progress.ts';
import { counted } from '../sizes.ts';

const DEFAULT_CONTEXT = 512;

/** Prints the perplexity of a text, in chunks of --ctx tokens. A shorter text is one chunk. */
export async function score(call: Call): Promise<void> {
  const { operands, options } = call;
  const text = await readText(operands[0]!);
  const { path } = await modelFile(options.model ?? '', options, call);
  const ctx = options.ctx ?? DEFAULT_CONTEXT;
  const model = await load(path, { ...options, ctx }, call);
  try {
    await call.abortable((signal) => scoreText(call, model, text, signal));
  } finally {
    await model.dispose();
  }
}

async function scoreText(call: Call, model: Model, text: string, signal: AbortSignal): Promise<void> {
  const { options, output } = call;
  const { jsonl, json } = options;
  const ids = model.tokenizer.encode(text);
  const chunkTokens = Math.max(LEAST_CHUNK, Math.min(model.contextLength, ids.length));
  const context = model.contextLength;
  const engine = { model: options.model, ...engineOf(model), context, chunk_tokens: chunkTokens };
  if (ids.length >= chunkTokens && chunkTokens < context)
    output.note(
      `The text has ${ids.length} tokens, less than a chunk of ${context}: it is scored as one chunk.`,
    );
  if (jsonl) await output.json({ type: 'start', ...engine });
  const display = new ProgressDisplay(output);
  const summary = summaryOf(
    await display.during(() => scoreChunks(call, model, { ids, chunkTokens, signal }, display)),
  );
  if (jsonl) return output.json({ type: 'end', ...summary });
  if (json) return output.json({ ...engine, ...summary });
  await output.print(`perplexity ${summary.perplexity.toFixed(4)}\n`);
  await output.print(`second half ${summary.perplexity_second_half.toFixed(4)}\n`);
  output.note(`${counted(summary.chunks, 'chunk')} of ${chunkTokens} tokens`);
}

/** Prints the result of each chunk when it is known. */
async function scoreChunks(
  { options: { jsonl, chunks: wanted }, output }: Call,
  model: Model,
  { ids, ...how }: { ids: readonly number[]; chunkTokens: number; signal: AbortSignal },
  display: ProgressDisplay,
): Promise<ScoreSummary> {
  const onProgress = (done: number, total: number) =>
    display.show({ activity: 'scoring', unit: 'tokens', done, total });
  const isShown = !(jsonl && output.interactive); // --jsonl on a terminal: the token lines show the progress
  const chunks = scoreIds(model, ids, {
    ...{ ...how, chunks: wanted },
    onProgress: isShown ? onProgress : undefined,
  });
  let next = await chunks.next();
  for (; !next.done; next = await chunks.next()) {
    const { index, nllAll } = next.value;
    if (jsonl) for (const token of tokensOf(next.value)) await output.json(token);
    else display.aside(() => output.note(`chunk ${index + 1}: perplexity ${Math.exp(nllAll).toFixed(4)}`));
  }
  return next.value;
}

function* tokensOf({ index: chunk, tokens, logprobs }: ScoredChunk) {
  for (const [i, logprob] of logprobs.entries()) {
    yield { type: 'token', chunk, position: i + 1, id: tokens[i + 1], logprob };
  }
}

function summaryOf({ chunks, tokens, perplexity, perplexitySecondHalf }: ScoreSummary) {
  return { chunks, tokens, perplexity, perplexity_second_half: perplexitySecondHalf };
}
