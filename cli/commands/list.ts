import { graphFromGguf } from '../../core/architectures/index.ts';
import { directories } from '../../core/directories.ts';
import { freeMemory } from '../../core/free-memory.ts';
import { modelType } from '../../core/gguf/model-type.ts';
import { modelLimits } from '../../core/model.ts';
import { CATALOGUE, DEFAULT_MODEL, type Purpose } from '../../core/models/catalogue.ts';
import { isRemoteReference, pullCommand, shellWord } from '../../core/models/reference.ts';
import { type Leftover, listModels, type ModelFile } from '../../core/models/store.ts';
import { estimateMemory } from '../../core/program.ts';
import { readModel } from '../../core/read-model.ts';
import type { Call } from '../command.ts';
import type { Output } from '../output.ts';
import { formatBytes } from '../sizes.ts';
import { terminalLine, terminalText } from '../terminal/terminal-text.ts';
import { columnsOf, padded } from '../terminal/text/width.ts';

/** Prints the models on this machine, and those of the catalogue that can be pulled. */
export async function list({ options, output }: Call): Promise<void> {
  const { models, leftovers } = listModels(directories());
  const present = new Set(models.map(({ reference }) => reference));
  const offers = CATALOGUE.map((entry) => ({ ...entry, present: present.has(entry.alias) }));
  const absent = options.pulled ? [] : offers.filter((entry) => !entry.present);
  if (options.names && !options.json) {
    const names = [...models.map(nameOf), ...absent.map(({ alias }) => alias)].filter(isOneLine);
    return output.print(names.map((name) => `${name}\n`).join(''));
  }
  const described = await Promise.all(models.map(describe));
  if (options.json) {
    const catalogue = offers.map(({ fileName, ...entry }) => ({
      ...{ ...entry, file_name: fileName, fits: fitsHere(entry.bytes) },
    }));
    return output.json({
      models: described.map(({ file, ...use }) => ({ ...modelRecord(file), ...use })),
      catalogue,
      leftovers,
    });
  }
  const { heading } = output.style;
  await output.print(`${heading('On this machine')}\n`);
  await printModels(described, output);
  await printLeftovers(leftovers, output);
  if (absent.length === 0) return;
  for (const purpose of new Set(absent.map((entry) => entry.purpose))) {
    const entries = absent.filter((entry) => entry.purpose === purpose).sort((a, b) => a.bytes - b.bytes);
    await output.print(`\n${heading(`To pull: ${PURPOSES[purpose]}`)}\n`);
    await output.table(
      entries.map(({ alias, bytes, description }) => [
        ...[alias, formatBytes(bytes), fitsHere(bytes) ? '' : 'too large here', description],
      ]),
    );
  }
}

const PURPOSES: Readonly<Record<Purpose, string>> = {
  chat: 'chat',
  reasoning: 'models that think before they answer',
  code: 'code',
  embedding: 'search and embeddings',
};

/** Weights need about a fifth more, for the context and what is computed. */
const MORE = 1.2;

function fitsHere(bytes: number): boolean {
  return MORE * bytes <= (freeMemory() ?? Number.POSITIVE_INFINITY);
}

/** What the header of a model file says, and whether a command would load the model now. */
interface Described {
  readonly file: ModelFile;
  readonly type?: string; // Q4_1
  readonly trained_context?: number; // tokens
  readonly memory_bytes?: number; // with the default context
  readonly fits?: boolean; // in the memory that is free
  /** Why percept cannot load it: the file is damaged, or of a kind that the engine does not compute. */
  readonly unusable_because?: string;
}

/** Never throws: one bad file must not hide the others. */
async function describe(file: ModelFile): Promise<Described> {
  let type: string | undefined;
  try {
    const gguf = await readModel(file.path);
    if (gguf.tensors.size > 0) type = modelType(gguf);
    const graph = graphFromGguf(gguf);
    const { weights, kv, arena } = estimateMemory(graph, modelLimits(gguf, graph.config));
    const memory = weights + kv + arena;
    const fits = memory <= (freeMemory() ?? Number.POSITIVE_INFINITY);
    return { file, type, trained_context: graph.config.contextLength, memory_bytes: memory, fits };
  } catch (error) {
    return { file, type, unusable_because: error instanceof Error ? error.message : String(error) };
  }
}

async function printModels(models: readonly Described[], output: Output): Promise<void> {
  if (models.length === 0) {
    return output.print(`none yet: ${pullCommand(DEFAULT_MODEL)} downloads the default model\n`);
  }
  const columns = output.interactive ? (process.stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
  const names = models.map(({ file }) => terminalLine(nameOf(file)));
  const lines = modelLines(names, models.map(factsOf), columns);
  for (const { text, dim } of lines) await output.print(`${text}${output.style.faint(dim)}\n`);
  for (const [i, { unusable_because }] of models.entries())
    if (unusable_because !== undefined)
      output.note(`Why it is unusable: percept show ${shellWord(names[i]!)}`);
}

/** size, type, context, fit, date, path: the last two are left out where they do not fit. */
function factsOf({ file, type = '', trained_context, memory_bytes, fits }: Described): string[] {
  const context = trained_context === undefined ? '' : `${trained_context} tokens`;
  const use = memory_bytes === undefined ? 'unusable' : fits ? 'fits' : `needs ${formatBytes(memory_bytes)}`;
  const date = file.pulledAt === undefined ? Number.NaN : Date.parse(file.pulledAt);
  const pulled = Number.isNaN(date) ? '' : `pulled ${new Date(date).toISOString().slice(0, 10)}`;
  const path = nameOf(file) === file.path ? '' : terminalLine(file.path);
  return [formatBytes(file.bytes), terminalLine(type), context, use, pulled, path];
}

interface ModelLine {
  readonly text: string;
  readonly dim: string; // after the text
}

/**
 * A line for each model, with as many facts as fit. Where the first four do not fit, they are below the name.
 * @param facts of each model six, as `factsOf` returns them
 */
export function modelLines(
  names: readonly string[],
  facts: readonly string[][],
  columns: number,
): ModelLine[] {
  for (const shown of [6, 5, 4]) {
    const rows = names.map((name, i) => [name, ...facts[i]!.slice(0, shown)]);
    const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => columnsOf(row[i]!))));
    const lines = rows.map((row) => row.map((cell, i) => padded(cell, widths[i]!)).join(GAP));
    if (Math.max(...lines.map((line) => columnsOf(line.trimEnd()))) > columns) continue;
    return lines.map((line, i) => {
      const path = rows[i]![6] ?? '';
      const text = line.trimEnd();
      return path === '' ? { text, dim: '' } : { text: text.slice(0, -path.length), dim: path };
    });
  }
  return names.flatMap((name, i) => [
    { text: name, dim: '' },
    ...packed(facts[i]!.slice(0, 5), columns).map((text) => ({ text, dim: '' })),
  ]);
}

const GAP = '  ';
const INDENT = '    ';

/** As many facts on a line as fit; no fact is broken. */
function packed(facts: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const fact of facts.filter((each) => each !== '')) {
    const longer = lines.length === 0 ? undefined : `${lines.at(-1)}${GAP}${fact}`;
    if (longer !== undefined && columnsOf(longer) <= columns) lines[lines.length - 1] = longer;
    else lines.push(INDENT + fact);
  }
  return lines;
}

async function printLeftovers(leftovers: readonly Leftover[], output: Output): Promise<void> {
  for (const { path, bytes } of leftovers) {
    await output.table([[`incomplete: ${path} (${formatBytes(bytes)}); pull again to resume, or rm`]]);
  }
}

/** The name for the command line: the reference, or the path if there is none. */
function nameOf({ reference, path }: ModelFile): string {
  return isRemoteReference(reference) ? reference : path;
}

/** Names go to shells, one per line: no line breaks or control characters. */
function isOneLine(name: string): boolean {
  return terminalText(name) === name && !/[\t\n]/.test(name);
}

/** A model file in JSON. */
export function modelRecord({ pulledAt, ...file }: ModelFile) {
  return { ...file, pulled_at: pulledAt };
}
