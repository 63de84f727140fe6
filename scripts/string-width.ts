/**
 * Replaces string-width in the bundle. It measures plain text itself and loads the package only for other text: loading
 * it and its first call take a quarter of the time to the first frame.
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
