/** Chooses, of the files that a repository has, those that are the model. */
import { basename } from 'node:path';
import { UserError } from '../../errors.ts';
import { partNames } from '../gguf/parts.ts';
import { isSafePart } from './reference.ts';
import { hasTag } from './store.ts';

export interface HubFile {
  readonly path: string; // inside the repository, separated by '/'
  readonly bytes: number;
  readonly sha256?: string; // hex; small files have none
}

/** One GGUF file, or all parts of one. */
export interface Choice {
  readonly files: readonly HubFile[];
  readonly bytes: number;
  readonly why: string; // in words, after the name
}

/** Files beside models: parts that see, matrices for quantizing, and heads that draft (llama.cpp, common/download.cpp). */
const OTHERS = /(?:^|[/._-])(?:mmproj|imatrix|mtp|eagle3|dflash|dspark)[._-]/i;
/** Below this size 8 bits are taken if there is room: small models lose more by fewer. */
const SMALL_BYTES = 7e8;
/** Of the free memory; the rest is for the context and for others. */
const SHARE = 0.7;
/** What users prefer where it fits: four bits, then more, then fewer. */
const PREFERRED = ['Q4_K_M', 'Q4_K_S', 'Q4_0', 'Q5_K_M', 'Q6_K', 'Q8_0', 'MXFP4', 'Q3_K_M', 'Q2_K'];

/** The GGUF models of a repository, largest last. */
export function modelsIn(files: readonly HubFile[]): Choice[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const models: Choice[] = [];
  for (const file of files) {
    if (!/\.gguf$/i.test(file.path) || OTHERS.test(file.path) || !file.path.split('/').every(isSafePart))
      continue;
    const parts = partNames(file.path).map((name) => byPath.get(name));
    if (parts[0] !== file || parts.includes(undefined)) continue; // counted with the first part
    const bytes = parts.reduce((sum, part) => sum + part!.bytes, 0);
    models.push({ files: parts as HubFile[], bytes, why: '' });
  }
  return models.sort((a, b) => a.bytes - b.bytes);
}

/**
 * The model of the tag, or without one the one that suits `free` bytes of memory. Throws UserError, with what there is, if
 * none does.
 */
export function choose(
  models: readonly Choice[],
  { repository, tag, free }: { repository: string; tag: string | undefined; free: number },
): Choice {
  const wanted = tag === undefined ? models : models.filter(({ files }) => hasTag(files[0]!.path, tag));
  if (wanted.length === 0) throw noneOf(models, repository, tag);
  if (tag !== undefined) return { ...wanted[0]!, why: '' };
  const fitting = models.filter(({ bytes }) => bytes <= SHARE * free);
  if (fitting.length === 0) throw tooLarge(models[0]!, repository, free);
  const named = (name: string) => fitting.find(({ files }) => hasTag(files[0]!.path, name));
  const precise = named('Q8_0');
  if (precise && precise.bytes <= SMALL_BYTES)
    return { ...precise, why: 'small models lose more by fewer bits' };
  const preferred = PREFERRED.map(named).find((choice) => choice !== undefined);
  if (preferred) return { ...preferred, why: 'the usual balance of size and quality' };
  return { ...fitting.at(-1)!, why: 'the largest that fits in free memory' };
}

/** The files of a checkpoint in Hugging Face's layout; empty if the repository has none. */
export function checkpointIn(files: readonly HubFile[]): HubFile[] {
  const weights = files.filter(({ path }) => /^model[\w.-]*\.safetensors$/.test(path));
  const others = files.filter(({ path }) => CHECKPOINT_FILES.some((pattern) => pattern.test(path)));
  const hasConfig = others.some(({ path }) => path === 'config.json');
  return weights.length > 0 && hasConfig ? [...others, ...weights] : [];
}

const CHECKPOINT_FILES: readonly RegExp[] = [
  /^(?:config|generation_config|tokenizer|tokenizer_config|special_tokens_map|modules)\.json$/,
  /^(?:chat_template\.(?:jinja|json)|model\.safetensors\.index\.json)$/,
  /^\d_(?:Pooling|Dense)\/(?:config\.json|model\.safetensors)$/,
];

function listed(models: readonly Choice[]): string {
  const names = models.map(
    ({ files, bytes }) => `${basename(files[0]!.path)} (${Math.ceil(bytes / 1e6)} MB)`,
  );
  return names.length > 20 ? `${names.slice(0, 20).join(', ')}, ...` : names.join(', ');
}

function noneOf(models: readonly Choice[], repository: string, tag: string | undefined): UserError {
  if (models.length === 0) {
    return new UserError(
      `${repository} has neither GGUF files nor a checkpoint of safetensors.`,
      'Many models are converted in repositories whose names end in -GGUF.',
      { kind: 'model-not-found' },
    );
  }
  return new UserError(`${repository} has no file of ${tag}.`, `It has ${listed(models)}.`, {
    kind: 'model-not-found',
  });
}

function tooLarge(smallest: Choice, repository: string, free: number): UserError {
  const name = basename(smallest.files[0]!.path);
  return new UserError(
    `No file of ${repository} fits in the memory that is free, ${Math.floor(free / 1e6)} MB.`,
    `The smallest, ${name}, has ${Math.ceil(smallest.bytes / 1e6)} MB: name it to get it all the same.`,
    { kind: 'memory' },
  );
}
