/** Prints the vectors of texts: of each operand, of --file, or of stdin; with --lines of every line. */
import { Embedder, type Embedding, type Pooling } from '../../core/embedding.ts';
import { DEFAULT_EMBEDDER } from '../../core/models/catalogue.ts';
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import type { Call, Context } from '../command.ts';
import { parseIds, readStdin, readText } from '../input.ts';
import { loadOptionsOf, whileLoading } from '../load.ts';
import { modelFile } from '../model-file.ts';
import { ProgressDisplay } from '../progress/progress.ts';
import { stdinIsTerminal } from '../stdin.ts';

/** Texts between two lines of output. */
const AT_ONCE = 128;

export async function embed(call: Call): Promise<void> {
  const { promptIds } = call.options;
  const texts = promptIds === undefined ? await textsOf(call) : [parseIds(promptIds)];
  const embedder = await loadEmbedder(embedderOf(call), call.options, call);
  try {
    await call.abortable((signal) => printAll(call, embedder, texts, signal));
  } finally {
    await embedder.model.dispose();
  }
}

/** The model of a flag; what settings name is for chats. */
export function embedderOf({ options, settings }: Pick<Call, 'options' | 'settings'>): string {
  const isAsked = settings.get('model')?.origin === 'flag';
  return isAsked && options.model !== undefined ? options.model : DEFAULT_EMBEDDER;
}

/** Loads an embedding model by its reference, and shows the progress. */
export async function loadEmbedder(reference: string, options: Options, context: Context): Promise<Embedder> {
  const { path } = await modelFile(reference, options, context);
  return whileLoading(path, context, (events) =>
    Embedder.load(path, { ...loadOptionsOf(options), ...events, ...embedOptionsOf(options) }),
  );
}

function embedOptionsOf({ noNormalize, truncate, pooling }: Options) {
  return { normalize: !noNormalize, truncate, pooling: pooling as Pooling | undefined }; // one of its choices
}

async function printAll(
  { options, settings, output }: Call,
  embedder: Embedder,
  texts: readonly (string | readonly number[])[],
  signal: AbortSignal,
): Promise<void> {
  const display = new ProgressDisplay(output, { onlyIfSlow: true });
  const isShown = options.json || !output.interactive; // else the lines show the progress
  const found: Embedding[] = [];
  await display.during(async () => {
    for (let from = 0; from < texts.length; from += AT_ONCE) {
      if (isShown) display.show({ activity: 'embedding', unit: 'texts', done: from, total: texts.length });
      const some = await embedder.embed(texts.slice(from, from + AT_ONCE), { signal });
      if (options.json) found.push(...some);
      else await printSome(some, from, { options, output });
    }
  });
  if (!options.json) return;
  const { pooling, model } = embedder;
  const vectors = found.map(({ vector }) => numbersOf(vector));
  const tokens = found.reduce((sum, each) => sum + each.tokens, 0);
  const dimensions = vectors[0]?.length ?? 0;
  await output.json({
    model: embedderOf({ options, settings }),
    name: model.name,
    pooling,
    dimensions,
    tokens,
    embeddings: vectors,
  });
}

async function printSome(
  some: readonly Embedding[],
  from: number,
  { options, output }: Pick<Call, 'options' | 'output'>,
): Promise<void> {
  for (const [i, { vector, tokens }] of some.entries()) {
    if (options.jsonl) await output.json({ index: from + i, tokens, embedding: numbersOf(vector) });
    else if (options.raw) await output.bytes(new Uint8Array(vector.buffer));
    else await output.print(`${numbersOf(vector).join(' ')}\n`);
  }
}

/** With the fewest digits that each float32 is read back from: nine are always enough. */
function numbersOf(vector: Float32Array): number[] {
  return Array.from(vector, (x) => {
    const short = [6, 7, 8].map((digits) => Number(x.toPrecision(digits)));
    return short.find((number) => Math.fround(number) === x) ?? Number(x.toPrecision(9));
  });
}

async function textsOf({ operands, options }: Call): Promise<readonly string[]> {
  const whole = await wholeTexts(operands, options);
  const texts = options.lines ? whole.flatMap(linesOf) : whole;
  if (texts.length > 0) return texts;
  throw new UserError(
    'There is no text to embed.',
    'Run: percept embed "some text", or with one text a line: percept embed --lines --jsonl < texts.txt',
    { kind: 'usage' },
  );
}

async function wholeTexts(operands: readonly string[], { file = [] }: Options): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const operand of operands) texts.push(operand === '-' ? await readStdin() : operand);
  for (const path of file) texts.push(await readText(path));
  if (texts.length > 0 || stdinIsTerminal()) return texts;
  return [await readStdin()];
}

/** The lines of a text that have more than white space. */
function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}
