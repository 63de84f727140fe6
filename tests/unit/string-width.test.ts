/** The replacement of string-width in the bundle, against the package. */
import { globSync, readFileSync } from 'node:fs';
import real from 'string-width';
import { describe, expect, it } from 'vitest';
import { isPlain, plainWidth } from '../../cli/terminal/text/plain-width.ts';
import standIn from '../../scripts/string-width.ts';

describe('string-width in the bundle', () => {
  it.each([
    ['', 0],
    ['› Ask anything', 14],
    ['\x1b[36m›\x1b[39m 你好', 6],
    ['[████▊   ] · …', 14],
  ])('%j is %i wide', (text, width) => {
    expect(standIn(text)).toBe(width);
    expect(real(text)).toBe(width);
  });

  it.each(['👩‍🚀', 'e\u0301', '1\ufe0f\u20e3', '\x1b]8;;x\x07link\x1b]8;;\x07', 'ﾞ', '\t', '\0'])(
    'equals the package for %j',
    (text) => {
      expect(standIn(text)).toBe(real(text));
    },
  );

  it('evaluates the package late', () => {
    const bundles = globSync('dist/*.js').map((file) => readFileSync(file, 'utf8'));
    const holding = bundles.filter((code) => code.includes('p{RGI_Emoji}'));
    expect(holding).toHaveLength(1);
    expect(holding[0]).toMatch(/__esm\(\{"node_modules\/string-width\/index\.js"\(\)\{/);
  });

  it.each([{ countAnsiEscapeCodes: true }, { ambiguousIsNarrow: false }])('supports %o', (options) => {
    for (const text of ['\x1b[1mbold\x1b[22m', '·…', 'plain']) {
      expect(standIn(text, options)).toBe(real(text, options));
    }
  });

  it('agrees on every plain code unit', () => {
    const units = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).filter(isPlain);
    expect(units.length).toBeGreaterThan(30_000);
    expect(units.filter((unit) => plainWidth(unit) !== real(unit))).toEqual([]);
  });
});
