/**
 * Stands for string-width in the bundle, wherever it is imported: what is plain is answered at once, and the package is
 * evaluated only when anything else comes, for that and its first answer take a quarter of the time to a first frame.
 */
import type { Options } from 'string-width';
import { plainWidth } from '../cli/terminal/text/plain-width.ts';

const SGR = /\x1b\[[\d;]*m/g;

export default function stringWidth(text: string, options: Options = {}): number {
  const bare = options.countAnsiEscapeCodes || !text.includes('\x1b') ? text : text.replace(SGR, '');
  const plain = options.ambiguousIsNarrow === false ? undefined : plainWidth(bare);
  if (plain !== undefined) return plain;
  const real: typeof import('string-width') = require('string-width');
  return real.default(text, options);
}
