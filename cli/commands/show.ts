import { graphFromGguf } from '../../core/architectures/index.ts';
import { chatTemplateOf } from '../../core/chat-template.ts';
import { directories } from '../../core/directories.ts';
import type { Gguf, GgufValue } from '../../core/gguf/index.ts';
import { isStrings } from '../../core/gguf/metadata.ts';
import { type LimitOptions, modelLimits } from '../../core/model.ts';
import { entryOf } from '../../core/model-defaults.ts';
import { CATALOGUE, type CatalogueEntry } from '../../core/models/catalogue.ts';
import { parseReference, pullCommand } from '../../core/models/reference.ts';
import { findModel } from '../../core/models/store.ts';
import { estimateMemory } from '../../core/program.ts';
import { readModel } from '../../core/read-model.ts';
import { UserError } from '../../errors.ts';
import type { Call } from '../command.ts';
import { loadOptionsOf, notesTo } from '../load.ts';
import { modelFile } from '../model-file.ts';
import type { Output } from '../output.ts';
import { formatBytes } from '../sizes.ts';

const SHOWN_CHARACTERS = 80; // of a metadata value

/** Prints the contents of a model file and the memory it needs. Works for vocabulary files and unsupported models too. */
export async function show(call: Call): Promise<void> {
  const { operands, options, output } = call;
  const model = operands[0] ?? options.model ?? '';
  const entry = CATALOGUE.find(({ alias }) => alias === model);
  if (entry && !findModel(parseReference(model), directories())) return showEntry(entry, call);
  const { path } = await modelFile(model, { noPull: true }, call);
  const report = describe(await readModel(path), { ...loadOptionsOf(options), onNote: notesTo(output) });
  const known = entry ?? entryOf({ path, bytes: report.file_bytes });
  if (options.json) return output.json({ ...report, catalogue: known ? entryRecord(known) : null });
  await printReport(output, report, known);
}

/** A model of the catalogue that is not on this machine. */
async function showEntry(entry: CatalogueEntry, { options, output }: Call): Promise<void> {
  if (options.json) return output.json({ path: null, catalogue: entryRecord(entry) });
  await output.print(`${entry.alias} is not on this machine; ${pullCommand(entry.alias)} fetches it\n`);
  await output.table(factsOf(entry));
}

function entryRecord({ fileName, ...entry }: CatalogueEntry) {
  return { ...entry, file_name: fileName };
}

/** What the catalogue says of a model: names and values. */
function factsOf({ description, purpose, bytes, licence, defaults, sources }: CatalogueEntry): string[][] {
  const sampling = Object.entries(defaults?.sampling ?? {}).map(([name, value]) => `${name} ${value}`);
  return [
    ['model', description],
    ['purpose', purpose],
    ['size', formatBytes(bytes)],
    ['licence', licence],
    ...(sampling.length > 0 ? [['sampling', sampling.join(', ')]] : []),
    ...(defaults?.system ? [['system', defaults.system]] : []),
    ...sources.map((source) => ['from', source.split(',')[0]!]),
  ];
}

type Report = ReturnType<typeof describe>;

function describe(gguf: Gguf, options: LimitOptions) {
  return {
    path: gguf.path,
    file_bytes: gguf.fileBytes,
    gguf_version: gguf.version,
    metadata: Object.fromEntries(gguf.metadata.entries().map(([key, value]) => [key, summary(value)])),
    tensors: tensorsByType(gguf),
    memory: memoryOf(gguf, options),
    template: chatTemplateOf(gguf) ?? null,
  };
}

function formatOf({ gguf_version: version }: Report): string {
  return version === 0 ? 'safetensors' : `GGUF version ${version}`;
}

/** Arrays are long: only the type of their elements and their length are shown. */
function summary(value: GgufValue) {
  if (typeof value !== 'object') return value;
  return { array_of: isStrings(value) ? 'string' : typeof value[0], length: value.length };
}

function tensorsByType({ tensors }: Gguf) {
  const byType = Map.groupBy(tensors.values(), ({ type }) => type);
  return Array.from(byType, ([type, group]) => ({
    type,
    count: group.length,
    parameters: group.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    bytes: group.reduce((sum, { bytes }) => sum + bytes, 0),
  }));
}

/** Assumes the trained context if the options give none. If the engine refuses the model, only the reason. */
function memoryOf(gguf: Gguf, options: LimitOptions) {
  try {
    const graph = graphFromGguf(gguf);
    const { config } = graph;
    const contextLength = options.contextLength ?? config.contextLength;
    const limits = modelLimits(gguf, config, { ...options, contextLength });
    const { weights, kv, arena } = estimateMemory(graph, limits);
    return {
      trained_context: config.contextLength,
      context: contextLength,
      kv_type: limits.kvType,
      weights_bytes: weights,
      kv_bytes_per_token: kv / contextLength,
      kv_bytes: kv,
      activation_bytes: arena,
      total_bytes: weights + kv + arena,
    };
  } catch (error) {
    if (error instanceof UserError) return { unknown_because: error.message };
    throw error;
  }
}

async function printReport(output: Output, report: Report, entry: CatalogueEntry | undefined): Promise<void> {
  const { heading } = output.style;
  const section = (title: string) => output.print(`\n${heading(title)}\n`);
  await output.print(`${report.path}\n${formatOf(report)}, ${formatBytes(report.file_bytes)}\n`);
  if (entry) {
    await section('Catalogue');
    await output.table(factsOf(entry));
  }
  await section('Metadata');
  await output.table(Object.entries(report.metadata).map(([key, value]) => [key, shown(value)]));
  await section('Tensors');
  if (report.tensors.length === 0) await output.print('none\n');
  await output.table(
    report.tensors.map(({ type, count, parameters, bytes }) => {
      return [type, `${count} tensors`, `${(parameters / 1e6).toFixed(1)} M parameters`, formatBytes(bytes)];
    }),
  );
  await section('Memory');
  await output.table(memoryRows(report.memory));
  await section('Template');
  await output.print(`${report.template === null ? 'none' : report.template}\n`);
}

function memoryRows(memory: Report['memory']): string[][] {
  if (memory.unknown_because !== undefined) return [['unknown', memory.unknown_because]];
  return [
    ['weights', formatBytes(memory.weights_bytes)],
    [
      'KV cache',
      `${formatBytes(memory.kv_bytes)}: ${memory.context} tokens of ${formatBytes(memory.kv_bytes_per_token)} as ${memory.kv_type}`,
    ],
    ['activations', formatBytes(memory.activation_bytes)],
    ['total', formatBytes(memory.total_bytes)],
    ['trained context', `${memory.trained_context} tokens`],
  ];
}

function shown(value: ReturnType<typeof summary>): string {
  if (typeof value === 'object') return `${value.length} x ${value.array_of}`;
  // Most numbers are stored as float32: seven digits are all there is.
  if (typeof value === 'number') return String(Number(value.toPrecision(7)));
  const text = String(value);
  return text.length > SHOWN_CHARACTERS
    ? `${text.slice(0, SHOWN_CHARACTERS)}... (${text.length} characters)`
    : text;
}
