import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { attachmentWords } from '../../cli/attachments/attached-files.ts';
import { readFiles } from '../../cli/attachments/file-option.ts';
import { MOST_IGNORE_BYTES } from '../../cli/attachments/ignore-rules.ts';
import { attachFiles, mentionOf } from '../../cli/attachments/mentions.ts';
import { asRoot, titled } from '../titled.ts';

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
  'latin.txt': Buffer.from('été à Genève', 'latin1'),
  'utf-16.txt': Buffer.from('\ufeffhé\n', 'utf16le'),
  'damaged.log': Buffer.from('GET /caf\xe9\n', 'latin1'),
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

  it('are read like stdin: as UTF-16 after its byte order mark, and with a few wrong bytes', async () => {
    expect((await attached('@utf-16.txt')).content).toContain('\nhé\n');
    expect((await attached('@damaged.log')).content).toContain('\nGET /caf\ufffd\n');
  });

  it('count as the UTF-8 text that they are decoded to', async () => {
    const wide = Buffer.from(`\ufeff${'\u3042'.repeat(400)}`, 'utf16le'); // 802 bytes; 1200 in UTF-8
    writeFileSync(join(cwd, 'wide.txt'), wide);
    await expect(attached('@wide.txt')).rejects.toThrow('1 kB with @wide.txt, the limit is 1 kB');
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
    '@src\nvoid test() {} // of @src, too',
  ])('are not found in %j', async (text) => {
    expect(await attached(text)).toEqual({ content: text, attachments: [] });
  });
});

describe('content that no model can read is an error', () => {
  it.each([
    ['what is @nofile.txt about?', 'There is no file @nofile.txt.'],
    ['(@./none)', 'There is no file @./none.'],
    ['@"none at all"', 'There is no file @none at all.'],
    ['@/dev/null', '@/dev/null is neither a regular file nor a folder'],
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

describe('a folder', () => {
  /** A new folder in `cwd`. */
  function folder(name: string, files: Readonly<Record<string, string | Uint8Array>>): string {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, name, path)), { recursive: true });
      writeFileSync(join(cwd, name, path), content);
    }
    return join(cwd, name);
  }
  const pathsIn = async (text: string) =>
    [...(await attachFiles(text, { cwd })).content.matchAll(/^(\S+):\n```/gm)].map(([, path]) => path);
  const wordsFor = async (text: string) =>
    (await attachFiles(text, { cwd })).attachments.map(attachmentWords);

  it('needs its slash in a message of several lines, which may be pasted code', async () => {
    expect(await wordsFor('What is in @src?')).toEqual(['src: 1 file, 1 line']);
    expect(await wordsFor('@src\n@src/')).toEqual(['src/: 1 file, 1 line']);
  });

  it('stands for its text files, sorted, without those that are hidden, installed or ignored', async () => {
    folder('project', {
      'z.ts': 'z',
      'a/b.ts': 'b',
      'a/log.txt': 'log',
      '.gitignore': '*.log\n/build/\n',
      'a/.gitignore': 'log.*\n',
      'x.log': 'x',
      'build/out.js': 'out',
      '.env': 'SECRET=1',
      '.git/config': 'config',
      'node_modules/m/index.js': 'm',
    });
    expect(await pathsIn('Explain @project')).toEqual(['project/a/b.ts', 'project/z.ts']);
    expect(await pathsIn('@project/.')).toEqual(['project/./a/b.ts', 'project/./z.ts']);
    expect(await pathsIn('@project/node_modules/')).toEqual(['project/node_modules/m/index.js']);
    const content = 'in @project/a/\n\nproject/a/b.ts:\n```ts\nb\n```';
    expect((await attachFiles('in @project/a/', { cwd })).content).toBe(content);
  });

  it('leaves out binary files and links, and counts them', async () => {
    const path = folder('mixed', {
      'a.txt': 'one\ntwo\n',
      'b.txt': Buffer.from('\ufeffthree\n', 'utf16le'),
      'pic.png': new Uint8Array([137, 0]),
      'latin.txt': Buffer.from('été à Genève', 'latin1'),
    });
    symlinkSync('/etc/passwd', join(path, 'passwd'));
    symlinkSync('/etc', join(path, 'etc'));
    expect(await wordsFor('@mixed')).toEqual(['mixed: 2 files, 3 lines; left out: 2 binary files, 2 links']);
    expect(await pathsIn('@mixed')).toEqual(['mixed/a.txt', 'mixed/b.txt']);
  });

  it.skipIf(asRoot)(titled('leaves out what the user may not read', asRoot), async () => {
    const path = folder('locked', { 'a.txt': 'a', 'b.txt': 'b', 'c/d.txt': 'd' });
    chmodSync(join(path, 'b.txt'), 0);
    chmodSync(join(path, 'c'), 0);
    expect(await wordsFor('@locked')).toEqual(['locked: 1 file, 1 line; left out: 2 unreadable']);
    chmodSync(join(path, 'c'), 0o700);
  });

  it('obeys every line of a long .gitignore', async () => {
    const rules = `#${'x'.repeat(17_000)}\nsecret.txt\n`;
    folder('generated', { '.gitignore': rules, 'secret.txt': 'secret', 'a.txt': 'a' });
    expect(await pathsIn('@generated/')).toEqual(['generated/a.txt']);
  });

  it('is refused if its .gitignore is longer than what is read of one', async () => {
    const most = `#${'x'.repeat(MOST_IGNORE_BYTES - 1)}`;
    folder('whole', { 'in/.gitignore': most, 'in/a.txt': 'a' });
    expect(await pathsIn('@whole/')).toEqual(['whole/in/a.txt']);
    folder('endless', { 'in/.gitignore': `${most}\nsecret.txt\n`, 'in/secret.txt': 'secret' });
    await expect(attachFiles('@endless/', { cwd })).rejects.toMatchObject({
      name: 'UserError',
      message: 'in/.gitignore of the folder @endless/ is too long: it has more than 66 kB.',
      hint: expect.stringMatching(/.+/),
    });
  });

  it('attaches no file twice', async () => {
    folder('once', { 'a.txt': 'a', 'b.txt': 'b' });
    expect(await pathsIn('@once/b.txt @once @./once/')).toEqual(['once/b.txt', 'once/a.txt']);
  });

  it('leaves out what is attached already before it adds up', async () => {
    folder('again', { 'a.txt': 'x'.repeat(600), 'b/c.txt': 'c', 'b/pic.png': new Uint8Array([0]) });
    const both = await attached('@again/a.txt @again/');
    expect(both.attachments).toMatchObject([{ path: 'again/a.txt' }, { folder: { files: 1 } }]);
    folder('all', Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`${i % 3}/${i}`, 'x'])));
    await expect(attached('@all/')).rejects.toThrow('has 600 text files');
    expect((await attached('@all/0/ @all/')).attachments).toMatchObject([
      { folder: { files: 200 } },
      { folder: { files: 400 } },
    ]);
  });

  it('with nothing but what is attached already adds nothing', async () => {
    folder('single', { 'a.txt': 'a', 'pic.png': new Uint8Array([0]) });
    expect((await attached('@single/a.txt @single/')).attachments).toMatchObject([{ path: 'single/a.txt' }]);
    const { texts, attachments } = await readFiles({ file: ['a.txt', '.'] }, join(cwd, 'single'));
    expect([texts, attachments]).toMatchObject([['a.txt:\n```txt\na\n```'], [{ path: 'a.txt' }]]);
  });

  it('is refused if it has no text, too many files, or too many bytes', async () => {
    mkdirSync(join(cwd, 'nothing'));
    folder('pictures', { 'a.png': new Uint8Array([0]) });
    folder('many', Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`${i}`, 'x'])));
    folder('large', { 'a.txt': 'x'.repeat(600), 'b.txt': 'y'.repeat(600) });
    await expect(attached('@nothing')).rejects.toThrow('The folder @nothing has no text file to attach.');
    await expect(attached('@pictures')).rejects.toThrow('(left out: 1 binary file)');
    await expect(attached('@many')).rejects.toThrow('The folder @many has 501 text files; at most 500');
    await expect(attached('@large')).rejects.toThrow('1 kB with 2 files of @large, the limit is 1 kB');
  });

  it('stops being read on request', async () => {
    const signal = AbortSignal.abort();
    await expect(attachFiles('@project', { cwd, signal })).rejects.toBe(signal.reason);
  });
});

describe('--file', () => {
  it('takes no empty path, which would be the working folder', async () => {
    await expect(readFiles({ file: [''] }, cwd)).rejects.toMatchObject({
      message: 'Expected a file after --file, got "".',
      hint: expect.stringMatching(/.+/),
      kind: 'usage',
    });
  });
});
