import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { editExternally, splitCommand } from '../../cli/tui/editor/external-editor.ts';
import { within } from '../working-directory.ts';

const folder = mkdtempSync(join(tmpdir(), 'percept-editor test-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A command that runs `script` with the file to edit as its last argument. */
function editor(script: string): string {
  const path = join(folder, 'editor.mjs');
  writeFileSync(
    path,
    `import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';\n${script}`,
  );
  chmodSync(path, 0o755);
  return `"${process.execPath}" '${path}' --wait`;
}

let suspended = 0;
const edited = (text: string, env: NodeJS.ProcessEnv) =>
  editExternally(text, {
    env: { ...process.env, VISUAL: '', EDITOR: '', ...env },
    suspend: async (work) => {
      suspended++;
      await work();
    },
  });

describe("the user's editor", () => {
  const seen = join(folder, 'seen.json');

  it('gets the text in a private file, which is removed afterwards', async () => {
    const EDITOR = editor(`
      const file = process.argv.at(-1);
      writeFileSync(${JSON.stringify(seen)}, JSON.stringify({
        file,
        args: process.argv.slice(2, -1),
        text: readFileSync(file, 'utf8'),
        mode: statSync(file).mode & 0o777,
      }));
      writeFileSync(file, 'new\\ntext\\n\\n');
    `);
    expect(await edited('old', { EDITOR })).toBe('new\ntext\n');
    const { file, args, text, mode } = JSON.parse(readFileSync(seen, 'utf8'));
    expect(args).toEqual(['--wait']);
    expect(text).toBe('old\n');
    expect(file).toMatch(/prompt\.md$/);
    if (process.platform !== 'win32') expect(mode).toBe(0o600);
    expect(existsSync(dirname(file))).toBe(false);
    expect(suspended).toBe(1);
  });

  it('runs in an empty folder, but relative paths to it work', async () => {
    within(folder);
    writeFileSync('.exrc', '!touch pwned');
    const command = editor(
      "import { readdirSync } from 'node:fs'; writeFileSync(process.argv.at(-1), readdirSync('.').join());",
    );
    expect(await edited('text', { EDITOR: command })).toBe('prompt.md');
    writeFileSync('here', `#!/bin/sh\n${command} "$@"\n`, { mode: 0o755 });
    if (process.platform !== 'win32') expect(await edited('text', { EDITOR: './here' })).toBe('prompt.md');
  });

  it('is $VISUAL before $EDITOR', async () => {
    const VISUAL = editor("appendFileSync(process.argv.at(-1), 'more\\n');");
    expect(await edited('text', { VISUAL, EDITOR: 'none' })).toBe('text\nmore');
  });

  it('leaves the text unchanged if it fails', async () => {
    await expect(edited('text', { EDITOR: editor('process.exit(3);') })).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('code 3'),
    });
  });

  it('is an actionable error if it does not exist', async () => {
    await expect(edited('text', { EDITOR: join(folder, 'none') })).rejects.toMatchObject({
      name: 'UserError',
      hint: expect.stringContaining('EDITOR'),
    });
  });
});

it.each([
  ['vi', ['vi']],
  ['code --wait', ['code', '--wait']],
  ['"/opt/my editor/bin"  -n', ['/opt/my editor/bin', '-n']],
  [`emacs --eval='a b' ""`, ['emacs', '--eval=a b', '']],
])('the command %j is split into words', (command, words) => {
  expect(splitCommand(command)).toEqual(words);
});
