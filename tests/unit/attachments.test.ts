import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { attachFiles, mentionOf } from '../../cli/chat/attachments.ts';

const cwd = mkdtempSync(join(tmpdir(), 'percept-attach-'));
afterAll(() => rmSync(cwd, { recursive: true }));

mkdirSync(join(cwd, 'src'));
const FILES: Record<string, string | Uint8Array> = {
  'src/a.ts': 'const a = 1;\n',
  'a b.txt': 'no newline',
  'notes.md': 'x\n```ts\ny\n```\n',
  empty: '',
  'bom.txt': '\ufeffhé',
  'odd.': 'odd\n',
  'zero.bin': new Uint8Array([65, 0, 66]),
  'latin.txt': new Uint8Array([0xe9, 0x20]),
  'big.txt': 'x'.repeat(2000),
};
for (const [name, content] of Object.entries(FILES)) writeFileSync(join(cwd, name), content);

const attached = (text: string) => attachFiles(text, { cwd, limitBytes: 1000 });

describe('files named in a message', () => {
  it('follow it, with their names', async () => {
    expect(await attached('Explain @src/a.ts please')).toEqual({
      content: 'Explain @src/a.ts please\n\nsrc/a.ts:\n```ts\nconst a = 1;\n```',
      attachments: [{ path: 'src/a.ts', bytes: 13, lines: 1 }],
    });
  });

  it('may have spaces, contain fences, or be empty', async () => {
    const { content, attachments } = await attached('@"a b.txt" @notes.md @empty');
    expect(content).toBe(
      [
        '@"a b.txt" @notes.md @empty',
        'a b.txt:\n```txt\nno newline\n```',
        'notes.md:\n````md\nx\n```ts\ny\n```\n````',
        'empty:\n```\n```',
      ].join('\n\n'),
    );
    expect(attachments.map(({ lines }) => lines)).toEqual([1, 4, 0]);
  });

  it.each([
    ['(see @src/a.ts).', 'src/a.ts'],
    ['What is @src/a.ts?', 'src/a.ts'],
    ['@odd.', 'odd.'],
    [`@${cwd}/src/a.ts`, `${cwd}/src/a.ts`],
    ['@./src/../src/a.ts,', './src/../src/a.ts'],
  ])('are found in %j', async (text, path) => {
    expect((await attached(text)).attachments).toMatchObject([{ path }]);
  });

  it('are attached once', async () => {
    expect((await attached('@src/a.ts and @./src/a.ts')).attachments).toHaveLength(1);
  });

  it('are read as UTF-8, without a byte order mark', async () => {
    expect((await attached('@bom.txt')).content).toContain('\nhé\n');
  });

  it.each([
    'mail me@src/a.ts',
    'x=@src/a.ts',
    '@nobody',
    '@',
    '@.',
    'a @ b',
    '@src/none',
    '@scope/package@1.2.3',
    '@src/a.ts/x',
    '@pytest.fixture\ndef f(): ...\n@app.route("/x")',
    'from @alice@example.social and @dr.smith',
  ])('are not found in %j', async (text) => {
    expect(await attached(text)).toEqual({ content: text, attachments: [] });
  });
});

describe('content that no model can read is an error', () => {
  it.each([
    ['what is @nofile.txt about?', 'There is no file @nofile.txt.'],
    ['(@./none)', 'There is no file @./none.'],
    ['@"none at all"', 'There is no file @none at all.'],
    ['@src', 'not a file but a folder'],
    ['@zero.bin', 'binary or has another encoding'],
    ['@latin.txt', 'binary or has another encoding'],
    ['@big.txt', '2 kB with @big.txt, the limit is 1 kB'],
  ])('%s', async (text, message) => {
    await expect(attached(text)).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringContaining(message),
      hint: expect.stringMatching(/.+/),
    });
  });

  it('files that are too large together', async () => {
    writeFileSync(join(cwd, 'half1'), 'x'.repeat(600));
    writeFileSync(join(cwd, 'half2'), 'y'.repeat(600));
    expect((await attached('@half1')).attachments).toHaveLength(1);
    await expect(attached('@half1 @half2')).rejects.toThrow('1 kB with @half2, the limit is');
  });
});

it.each([
  ['src/a.ts', '@src/a.ts'],
  ['a b', '@"a b"'],
  ['odd.', '@"odd."'],
  ['we"ird', undefined],
  ['new\nline', undefined],
])('%j is written as %j', (path, mention) => {
  expect(mentionOf(path)).toBe(mention);
});
