import { UserError } from '../../errors.ts';
import type { Gguf, GgufStrings } from '../gguf/index.ts';
import {
  optionalBoolean,
  optionalNumber,
  optionalNumbers,
  optionalString,
  optionalStrings,
} from '../gguf/metadata.ts';
import { endIdsOf } from './end-tokens.ts';
import { PieceIndex } from './piece-index.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Values of tokenizer.ggml.token_type (ggml, docs/gguf.md). */
export const TokenType = { NORMAL: 1, UNKNOWN: 2, CONTROL: 3, USER_DEFINED: 4, UNUSED: 5, BYTE: 6 } as const;

/** The part of the metadata that all kinds of tokenizer share; checked. */
export interface Vocabulary {
  readonly pieces: GgufStrings;
  readonly types: Uint8Array; // TokenType of each id
  /** Control, unknown and user-defined tokens: id to text. */
  readonly specialTexts: ReadonlyMap<number, string>;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly unknownId: number | undefined;
  readonly addBos: boolean;
  readonly addEos: boolean;
  readonly endIds: ReadonlySet<number>;
  /** Special tokens to which the white space before them belongs, and those to which that after them does. */
  readonly takesBefore: ReadonlySet<number>;
  readonly takesAfter: ReadonlySet<number>;
  /** The tokens of some types by their text, an index that tells the user if one is there twice. */
  index(types: (type: number) => boolean): PieceIndex;
}

/** Defaults for missing metadata (llama.cpp 0c1e57098, src/llama-vocab.cpp, load). */
export interface VocabularyDefaults {
  readonly bosId?: number;
  readonly eosId?: number;
  readonly unknownId?: number;
  readonly addBos: boolean;
  readonly addEos: boolean;
}

type Metadata = Gguf['metadata'];

export const VOCABULARY_HINT =
  'The file was converted wrongly or is damaged: get the model again, or convert it anew.';

/**
 * Reads and checks the vocabulary. Throws UserError if it is missing or inconsistent.
 * @param onIgnored gets a sentence for each setting of a special token that names no token (converters write -1 for
 *   none), and for a token that is there twice
 */
export function readVocabulary(
  metadata: Metadata,
  model: Tokenizer['model'],
  defaults: VocabularyDefaults,
  onIgnored: (text: string) => void,
): Vocabulary {
  const pieces = optionalStrings(metadata, 'tokenizer.ggml.tokens');
  if (pieces === undefined || pieces.length === 0) {
    throw new UserError(
      'The file has no vocabulary: tokenizer.ggml.tokens is missing or empty.',
      VOCABULARY_HINT,
    );
  }
  checkLengths('tokens', pieces);
  const id = (name: string) => tokenId(metadata, name, pieces.length, onIgnored);
  const inRange = (byDefault?: number) =>
    byDefault !== undefined && byDefault < pieces.length ? byDefault : undefined;
  // WordPiece has [CLS] and [SEP] for begin and end of text. (GGUF misspells the separator.)
  const isWordPiece = model === 'wordpiece';
  const bosId = (isWordPiece ? id('cls') : undefined) ?? id('bos') ?? inRange(defaults.bosId);
  const eosId = (isWordPiece ? id('seperator') : undefined) ?? id('eos') ?? inRange(defaults.eosId);
  const onDouble = (id: number, first: number) =>
    onIgnored(`The vocabulary has a token twice, as ${first} and ${id}. No text becomes token ${id}.`);
  const named = [eosId, id('eot'), id('eom')].filter((end) => end !== undefined);
  const classes = classify(pieces, readTypes(metadata, pieces.length), named);
  return {
    pieces,
    ...classes,
    bosId,
    eosId,
    unknownId: id('unknown') ?? inRange(defaults.unknownId),
    addBos: adds(metadata, 'bos', bosId, defaults.addBos, onIgnored),
    addEos: adds(metadata, 'eos', eosId, defaults.addEos, onIgnored),
    ...spaceTaken(metadata, model, classes.specialTexts),
    index: (includes) => new PieceIndex(pieces, (id) => includes(classes.types[id]!), onDouble),
  };
}

/** Keys of this program's own: llama.cpp has none for what tokenizer.json calls lstrip and rstrip. */
export const TAKES_BEFORE = 'tokenizer.ggml.added_tokens.lstrip';
export const TAKES_AFTER = 'tokenizer.ggml.added_tokens.rstrip';
/** Special tokens of Phi-3 that leave the white space after them. */
const PHI3_LEAVES = ['<unk>', '<s>', '<|endoftext|>'];

/** Without the keys, by the model, as llama.cpp 0c1e57098 has it (src/llama-vocab.cpp, load). */
function spaceTaken(
  metadata: Metadata,
  model: Tokenizer['model'],
  specialTexts: ReadonlyMap<number, string>,
): Pick<Vocabulary, 'takesBefore' | 'takesAfter'> {
  const listed = (key: string) => new Set(Array.from(optionalNumbers(metadata, key) ?? []));
  if (metadata.has(TAKES_BEFORE) || metadata.has(TAKES_AFTER)) {
    return { takesBefore: listed(TAKES_BEFORE), takesAfter: listed(TAKES_AFTER) };
  }
  const architecture = optionalString(metadata, 'general.architecture');
  const ids = (isMeant: (text: string) => boolean) =>
    new Set([...specialTexts].flatMap(([id, text]) => (isMeant(text) ? [id] : [])));
  const isPhi3 = model === 'sentencepiece' && architecture === 'phi3';
  const mask = architecture === 'modern-bert' ? '[MASK]' : '<mask>';
  const isMasked = ['modern-bert', 'nomic-bert-moe', 'jina-bert-v3'].includes(architecture ?? '');
  return {
    takesBefore: ids((text) => isMasked && text === mask),
    takesAfter: ids((text) => isPhi3 && !PHI3_LEAVES.includes(text)),
  };
}

/** Throws UserError unless the array has one element for each token. */
export function checkLength(name: string, values: ArrayLike<number>, tokens: number): void {
  if (values.length === tokens) return;
  throw new UserError(
    `Expected tokenizer.ggml.${name} to have ${tokens} elements, one for each token, got ${values.length}.`,
    VOCABULARY_HINT,
  );
}

/** The byte of a byte piece such as <0x0A>. */
export function byteOf(piece: string): number | undefined {
  const hex = /^<0x([0-9A-F]{2})>$/i.exec(piece)?.[1];
  return hex === undefined ? undefined : Number.parseInt(hex, 16);
}

/** Special tokens are looked for at every place of a text. The largest known vocabularies have some 70,000. */
const MOST_SPECIAL = 1 << 18;
const MOST_SPECIAL_BYTES = 1 << 23;

/** Bytes of a token; GPT-2, Llama 3 and Qwen 2 have up to 256. Each step of merging reads the token that it makes. */
const LONGEST = 1024;

/** Finds special and end tokens. An end token is a control token whatever its type: never text. */
function classify(
  pieces: GgufStrings,
  types: Uint8Array,
  namedEnds: readonly number[],
): Pick<Vocabulary, 'types' | 'specialTexts' | 'endIds'> {
  const specialTexts = new Map<number, string>();
  let bytes = 0; // of special tokens
  const { NORMAL, CONTROL, UNKNOWN, USER_DEFINED } = TokenType;
  for (let id = 0; id < types.length; id++) {
    const type = types[id];
    if (type === NORMAL) continue; // nearly all
    if (type !== CONTROL && type !== UNKNOWN && type !== USER_DEFINED) continue;
    bytes += pieces.lengths[id]!;
    if (specialTexts.size === MOST_SPECIAL || bytes > MOST_SPECIAL_BYTES) {
      throw new UserError(
        `The vocabulary has more than ${MOST_SPECIAL} special tokens, or more than ${MOST_SPECIAL_BYTES} bytes of them.`,
        VOCABULARY_HINT,
      );
    }
    specialTexts.set(id, pieces.at(id));
  }
  const endIds = endIdsOf(specialTexts, namedEnds);
  for (const id of endIds) {
    types[id] = CONTROL;
    specialTexts.set(id, pieces.at(id));
  }
  return { types, specialTexts, endIds };
}

/** Throws UserError if one of the strings is longer than any token, or than `parts` of them with spaces between. */
export function checkLengths(name: string, { lengths, longest }: GgufStrings, parts = 1): void {
  const limit = parts * (LONGEST + 1) - 1;
  if (longest <= limit) return;
  throw new UserError(
    `Expected each of tokenizer.ggml.${name} to have at most ${limit} bytes, but number ${lengths.indexOf(longest)} has ${longest}.`,
    VOCABULARY_HINT,
  );
}

function readTypes(metadata: Metadata, tokens: number): Uint8Array {
  const types = optionalNumbers(metadata, 'tokenizer.ggml.token_type');
  if (types === undefined) return new Uint8Array(tokens).fill(TokenType.NORMAL);
  checkLength('token_type', types, tokens);
  return Uint8Array.from(types);
}

function tokenId(
  metadata: Metadata,
  name: string,
  tokens: number,
  onIgnored: (text: string) => void,
): number | undefined {
  const key = `tokenizer.ggml.${name}_token_id`;
  const id = optionalNumber(metadata, key);
  if (id === undefined || (Number.isInteger(id) && id >= 0 && id < tokens)) return id;
  onIgnored(
    `The model's ${key} is ignored. Expected an id below ${tokens}, the number of tokens, got ${id}.`,
  );
  return undefined;
}

function adds(
  metadata: Metadata,
  name: 'bos' | 'eos',
  id: number | undefined,
  byDefault: boolean,
  onIgnored: (text: string) => void,
): boolean {
  const key = `tokenizer.ggml.add_${name}_token`;
  const asked = optionalBoolean(metadata, key);
  if (asked && id === undefined) onIgnored(`The model's ${key} is ignored. The file names no such token.`);
  return (asked ?? byDefault) && id !== undefined;
}
