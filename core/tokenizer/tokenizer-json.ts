/**
 * Reads tokenizer.json of Hugging Face's tokenizers as GGUF metadata, as llama.cpp's converter writes it: the same classes
 * tokenize for both. Everything in the file is data from outside, and is checked.
 */
import { UserError } from '../../errors.ts';
import { stringsOf } from '../gguf/strings.ts';
import type { GgufValue } from '../gguf/types.ts';
import { type JsonPart, patternsOf, preTokenizerNameOf } from './json-patterns.ts';
import { normalizersOf } from './normalizers.ts';
import { TAKES_AFTER, TAKES_BEFORE, TokenType } from './vocabulary.ts';

export interface TokenizerJson {
  readonly added_tokens?: unknown;
  readonly normalizer?: JsonPart | null;
  readonly pre_tokenizer?: JsonPart | null;
  readonly post_processor?: JsonPart | null;
  readonly decoder?: JsonPart | null;
  readonly model?: JsonPart | null;
}

/** What other files of the checkpoint say. */
export interface TokenizerFacts {
  readonly family?: string; // model_type of the checkpoint
  readonly size: number; // of the model's vocabulary
  readonly special: Readonly<Record<'bos' | 'eos' | 'unknown' | 'padding', string | undefined>>;
  readonly ends: readonly number[] | undefined; // ids that end a turn
  readonly begin: number | undefined;
  readonly adds: { readonly bos: boolean | undefined; readonly eos: boolean | undefined };
}

interface Pieces {
  readonly texts: string[]; // by id
  readonly types: Int32Array;
  readonly ids: ReadonlyMap<string, number>;
  readonly added: readonly AddedToken[];
}

interface AddedToken {
  readonly id: number;
  readonly text: string;
  readonly special: boolean;
  readonly lstrip: boolean; // white space before it belongs to it
  readonly rstrip: boolean; // and that after it
}

/** A vocabulary has no more; the bound keeps ids of a damaged file from becoming memory. */
const MOST_TOKENS = 1 << 22;

/** Throws UserError for a kind of tokenizer that is not supported, and for a damaged file. */
export function tokenizerJsonMetadata(
  path: string,
  json: TokenizerJson,
  facts: TokenizerFacts,
): [string, GgufValue][] {
  const model = json.model ?? {};
  const pieces = piecesOf(path, json, model, facts.size);
  const plain = kindOf(path, json, model);
  const kind = plain === 'llama' && facts.family?.startsWith('gemma4') ? 'gemma4' : plain;
  const own = kindMetadata(path, kind, json, model, pieces);
  const types = kind === 'llama' || kind === 't5' || kind === 'gemma4' ? withBytes(pieces) : pieces.types;
  return [
    ['tokenizer.ggml.model', kind],
    ...own,
    ['tokenizer.ggml.token_type', types],
    ...spaceTaken(pieces.added),
    ...specialIds(json, pieces, facts),
  ];
}

type Kind = 'gpt2' | 'gemma4' | 'llama' | 't5' | 'bert';

function kindOf(path: string, json: TokenizerJson, { type, byte_fallback: fallback }: JsonPart): Kind {
  if (type === 'WordPiece') return 'bert';
  if (type === 'Unigram') return 't5';
  if (type === 'BPE') {
    const parts = [json.pre_tokenizer, json.decoder].flatMap((part) => flattened(part));
    if (parts.some((part) => part.type === 'ByteLevel')) return 'gpt2';
    if (fallback === true) return 'llama';
  }
  throw new UserError(
    `The tokenizer in ${path} is of a kind that is not supported: ${JSON.stringify(type)?.slice(0, 40)}.`,
    'Give ids with --prompt-ids, or use a .gguf file of the model.',
  );
}

/** Parts of a sequence, one after the other. */
export function flattened(part: JsonPart | null | undefined): readonly JsonPart[] {
  if (!part) return [];
  const inner = part.pretokenizers ?? part.normalizers ?? part.decoders ?? part.processors;
  return Array.isArray(inner) ? inner.flatMap((each) => flattened(each as JsonPart)) : [part];
}

// ----- tokens

function piecesOf(path: string, json: TokenizerJson, model: JsonPart, size: number): Pieces {
  const entries = vocabularyOf(path, model);
  const added = addedTokens(path, json.added_tokens);
  let last = size - 1;
  for (const [, id] of entries) last = Math.max(last, id);
  for (const { id } of added) last = Math.max(last, id);
  const count = last + 1;
  if (count > MOST_TOKENS) throw damaged(path, `ids below ${MOST_TOKENS}`, `${last}`);
  const texts = Array.from({ length: count }, (_, id) => `[PAD${id}]`);
  const types = new Int32Array(count).fill(TokenType.UNUSED);
  const set = (id: number, text: string, type: number) => {
    texts[id] = text;
    types[id] = type;
  };
  for (const [text, id] of entries) set(id, text, TokenType.NORMAL);
  for (const { id, text, special } of added)
    set(id, text, special ? TokenType.CONTROL : TokenType.USER_DEFINED);
  const ids = new Map(entries);
  for (const { id, text } of added) ids.set(text, id);
  return { texts, types, ids, added };
}

/** Which tokens take the white space beside them. Not written where none does, as in most vocabularies. */
function spaceTaken(added: readonly AddedToken[]): [string, GgufValue][] {
  const before = added.filter(({ lstrip }) => lstrip).map(({ id }) => id);
  const after = added.filter(({ rstrip }) => rstrip).map(({ id }) => id);
  if (before.length + after.length === 0) return [];
  return [
    [TAKES_BEFORE, Int32Array.from(before)],
    [TAKES_AFTER, Int32Array.from(after)],
  ];
}

function vocabularyOf(path: string, { vocab }: JsonPart): (readonly [string, number])[] {
  const entries = Array.isArray(vocab)
    ? vocab.map((entry, id) => [(entry as unknown[])?.[0], id] as const)
    : Object.entries(vocab ?? {});
  const wrong = entries.find(
    ([text, id]) => typeof text !== 'string' || !Number.isSafeInteger(id) || Number(id) < 0,
  );
  if (entries.length === 0 || wrong)
    throw damaged(path, 'a vocabulary of texts and ids', JSON.stringify(wrong));
  return entries as [string, number][];
}

function addedTokens(path: string, list: unknown): AddedToken[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list)) throw damaged(path, 'a list added_tokens', typeof list);
  return list.map((token) => {
    const { id, content, special, lstrip, rstrip } = (token ?? {}) as Record<string, unknown>;
    if (Number.isSafeInteger(id) && Number(id) >= 0 && typeof content === 'string') {
      const strips = { lstrip: lstrip === true, rstrip: rstrip === true };
      return { id: Number(id), text: content, special: special === true, ...strips };
    }
    throw damaged(path, 'an id and a text in added_tokens', JSON.stringify({ id, content })?.slice(0, 80));
  });
}

/** Bytes such as <0x0A> are a type of their own. */
function withBytes({ texts, types }: Pieces): Int32Array {
  return types.map((type, id) =>
    type === TokenType.NORMAL && /^<0x[0-9A-F]{2}>$/.test(texts[id]!) ? TokenType.BYTE : type,
  );
}

// ----- what differs between the kinds

function kindMetadata(
  path: string,
  kind: Kind,
  json: TokenizerJson,
  model: JsonPart,
  pieces: Pieces,
): [string, GgufValue][] {
  const tokens = (texts: readonly string[]): [string, GgufValue] => [
    'tokenizer.ggml.tokens',
    stringsOf(texts),
  ];
  switch (kind) {
    case 'gpt2': {
      const patterns = patternsOf(flattened(json.pre_tokenizer), path);
      const merges = mergesOf(path, model).map((pair) => pair.join(' '));
      const ignores = model.ignore_merges === true;
      return [
        ['tokenizer.ggml.pre', preTokenizerNameOf(patterns, ignores)],
        ['percept.tokenizer.patterns', stringsOf(patterns)],
        ['percept.tokenizer.ignore_merges', ignores],
        ['percept.tokenizer.normalizers', stringsOf(normalizersOf(flattened(json.normalizer)))],
        tokens(pieces.texts),
        ['tokenizer.ggml.merges', stringsOf(merges)],
      ];
    }
    case 'gemma4': // without a pre-tokenizer, so that merges are read as pairs
      return [
        tokens(pieces.texts),
        ['tokenizer.ggml.scores', new Float32Array(pieces.texts.length).fill(-1000)],
        ['tokenizer.ggml.merges', stringsOf(mergesOf(path, model).map((pair) => pair.join(' ')))],
      ];
    case 'llama':
      return [
        ['tokenizer.ggml.pre', 'default'],
        tokens(pieces.texts),
        ['tokenizer.ggml.scores', scoresOf(mergesOf(path, model), pieces)],
        ['tokenizer.ggml.add_space_prefix', addsSpace(json)],
      ];
    case 't5':
      return [
        ['tokenizer.ggml.pre', 'default'],
        tokens(pieces.texts),
        ['tokenizer.ggml.scores', unigramScores(path, model, pieces.texts.length)],
        ['tokenizer.ggml.add_space_prefix', addsSpace(json)],
        ['tokenizer.ggml.remove_extra_whitespaces', removesSpaces(json)],
        ...charsmapOf(path, json),
      ];
    case 'bert':
      return [
        ['tokenizer.ggml.pre', 'default'],
        tokens(pieces.texts.map((text, id) => phantomSpace(text, pieces.types[id]!))),
        ...bertNormalizer(json),
      ];
  }
}

/** Merges as pairs; older files write them with a space between. */
function mergesOf(path: string, { merges }: JsonPart): readonly (readonly [string, string])[] {
  if (!Array.isArray(merges)) throw damaged(path, 'a list of merges', typeof merges);
  return merges.map((merge) => {
    const pair = typeof merge === 'string' ? splitPair(merge) : merge;
    if (Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === 'string'))
      return pair as [string, string];
    throw damaged(path, 'pairs in merges', JSON.stringify(merge)?.slice(0, 80));
  });
}

/** Cuts at the one space that is not the first character. */
function splitPair(merge: string): string[] {
  const at = merge.indexOf(' ', 1);
  return [merge.slice(0, at), merge.slice(at + 1)];
}

/** SentencePiece merges the pair with the best score: the earlier a piece is merged, the better. */
function scoresOf(merges: readonly (readonly [string, string])[], { texts, ids }: Pieces): Float32Array {
  const scores = new Float32Array(texts.length).fill(-merges.length - 1);
  for (const [rank, [left, right]] of merges.entries()) {
    const id = ids.get(left + right);
    if (id !== undefined && scores[id] === -merges.length - 1) scores[id] = -rank;
  }
  return scores;
}

function unigramScores(path: string, { vocab }: JsonPart, count: number): Float32Array {
  const list = vocab as readonly (readonly unknown[])[];
  const scores = new Float32Array(count).fill(-1e6);
  for (const [id, [, score]] of list.entries()) {
    if (typeof score !== 'number') throw damaged(path, 'a score of each piece', typeof score);
    scores[id] = score;
  }
  return scores;
}

/** Whether a space is put before a text. */
function addsSpace(json: TokenizerJson): boolean {
  const parts = [...flattened(json.normalizer), ...flattened(json.pre_tokenizer)];
  return parts.some((part) => {
    if (part.type === 'Prepend') return true;
    if (part.type !== 'Metaspace') return false;
    return part.prepend_scheme === undefined
      ? part.add_prefix_space !== false
      : part.prepend_scheme !== 'never';
  });
}

function removesSpaces(json: TokenizerJson): boolean {
  return flattened(json.normalizer).some(
    (part) => part.type === 'Replace' && JSON.stringify(part.pattern ?? null).includes(' {2,}'),
  );
}

/** SentencePiece's table of characters that are replaced. */
function charsmapOf(path: string, json: TokenizerJson): [string, GgufValue][] {
  const part = flattened(json.normalizer).find(({ type }) => type === 'Precompiled');
  const text = part?.precompiled_charsmap;
  if (text === undefined || text === null) return [];
  if (typeof text !== 'string') throw damaged(path, 'a text precompiled_charsmap', typeof text);
  return [['tokenizer.ggml.precompiled_charsmap', new Uint8Array(Buffer.from(text, 'base64'))]];
}

/** GGUF marks the first piece of a word instead of the others. */
function phantomSpace(text: string, type: number): string {
  if (type !== TokenType.NORMAL) return text;
  return text.startsWith('##') ? text.slice(2) : `\u2581${text}`;
}

function bertNormalizer(json: TokenizerJson): [string, GgufValue][] {
  const part = flattened(json.normalizer).find(({ type }) => type === 'BertNormalizer');
  if (!part) return [];
  const lowercase = part.lowercase !== false;
  return [
    ['tokenizer.ggml.normalizer.lowercase', lowercase],
    [
      'tokenizer.ggml.normalizer.strip_accents',
      typeof part.strip_accents === 'boolean' ? part.strip_accents : lowercase,
    ],
  ];
}

// ----- special tokens

function specialIds(
  json: TokenizerJson,
  { ids }: Pieces,
  { special, ends = [], begin, adds }: TokenizerFacts,
): [string, GgufValue][] {
  const idOf = (text: string | undefined) => (text === undefined ? undefined : ids.get(text));
  const around = templateTokens(json);
  const eos = idOf(special.eos) ?? ends[0];
  const others = ends.filter((id) => id !== eos);
  const bert = json.model?.type === 'WordPiece';
  const entries: [string, GgufValue | undefined][] = [
    ['bos_token_id', (bert ? ids.get('[CLS]') : undefined) ?? idOf(special.bos) ?? begin],
    ['eos_token_id', (bert ? ids.get('[SEP]') : undefined) ?? eos],
    ['eot_token_id', others[0]],
    ['eom_token_id', others[1]],
    ['unknown_token_id', idOf(special.unknown) ?? unknownOf(json, ids)],
    ['padding_token_id', idOf(special.padding)],
    ['cls_token_id', bert ? ids.get('[CLS]') : undefined],
    ['seperator_token_id', bert ? ids.get('[SEP]') : undefined],
    ['add_bos_token', adds.bos ?? around.before],
    ['add_eos_token', adds.eos ?? around.after],
  ];
  return entries.flatMap(([key, value]) => (value === undefined ? [] : [[`tokenizer.ggml.${key}`, value]]));
}

function unknownOf({ model }: TokenizerJson, ids: ReadonlyMap<string, number>): number | undefined {
  if (typeof model?.unk_id === 'number') return model.unk_id;
  return typeof model?.unk_token === 'string' ? ids.get(model.unk_token) : undefined;
}

/** Whether the template of a single text begins and ends with special tokens. */
function templateTokens(json: TokenizerJson): { before: boolean; after: boolean } {
  const parts = flattened(json.post_processor);
  const pair = parts.find(({ type }) => type === 'BertProcessing' || type === 'RobertaProcessing');
  if (pair) return { before: true, after: true };
  const single = parts.find(({ type }) => type === 'TemplateProcessing')?.single;
  if (!Array.isArray(single)) return { before: false, after: false };
  const isSpecial = (part: unknown) => typeof part === 'object' && part !== null && 'SpecialToken' in part;
  return { before: isSpecial(single[0]), after: isSpecial(single.at(-1)) };
}

function damaged(path: string, expected: string, got: string | undefined): UserError {
  return new UserError(`Expected ${expected} in ${path}, got ${got}.`, 'Get the model again.');
}
