import type { Header } from './header.ts';

const CONVERT = "Convert the model with llama.cpp's convert_hf_to_gguf.py, or get its GGUF version.";
const GET_FILE =
  'Get the model file itself: on a web site, use its download link, not the page that shows the model.';

/** Files that are not GGUF, recognized by their first bytes as Latin-1, each with a hint. */
const LOOKALIKES: readonly (readonly [start: RegExp, name: string, hint: string])[] = [
  [/^version https:\/\/git-lfs/, 'a git-lfs pointer', 'Fetch the file that it points to: git lfs pull.'],
  [/^\s*<(!doctype|html|\?xml|head)/i, 'a web page', GET_FILE],
  [/^PK\x03\x04/, 'a zip archive, as PyTorch writes', CONVERT],
  [/^.{6}\0\0\{/s, 'safetensors', CONVERT],
  [/^(lmgg|fmgg|tjgg|algg)/, 'a llama.cpp model older than GGUF', CONVERT],
  [/^\x1f\x8b/, 'a gzip archive', 'Unpack it first: gunzip FILE.'],
  [/^\s*[{[]/, 'JSON', GET_FILE],
  [/^\0+$/, 'zeros', 'The download is incomplete: get the file again.'],
];

const MAGIC = 'GGUF';
const MAX_VERSION = 0xffff; // far above any real one; larger numbers are other content

/** Reads magic and version; returns the version, 2 or 3. Otherwise throws a HeaderError that names the kind of file. */
export function readVersion(header: Header): number {
  header.advance(MAGIC.length);
  const other = lookalike(header.bytes);
  if (other) {
    const { got, hint } = other;
    header.fail('a GGUF file, which starts with "GGUF"', got, { hint });
  }
  const version = header.u32();
  if (version === 2 || version === 3) return version;
  // Read as little-endian, the version of a big-endian file has zeros in its low bytes.
  if (version !== 0 && (version & 0xffff) === 0)
    header.fail('a little-endian GGUF', 'a big-endian one', { hint: CONVERT, fault: 'unsupported' });
  const hint = version === 1 ? CONVERT : 'Update percept if the file is newer than it.';
  return header.fail('GGUF version 2 or 3', `version ${version}`, {
    hint,
    fault: version === 0 || version > MAX_VERSION ? 'wrong' : 'unsupported',
  });
}

/** What a file that starts with these bytes is instead of GGUF, with a hint if it is known; undefined for GGUF. */
export function lookalike(start: Buffer): { readonly got: string; readonly hint?: string } | undefined {
  const text = start.toString('latin1', 0, 256);
  if (text.startsWith(MAGIC)) return undefined;
  const [, name, hint] = LOOKALIKES.find(([pattern]) => pattern.test(text)) ?? [];
  return name
    ? { got: `what looks like ${name}`, hint }
    : { got: `the bytes ${start.toString('hex', 0, 4)}` };
}
