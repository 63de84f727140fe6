import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { screenAnswer } from '../../cli/answer/screen.ts';
import { Output } from '../../cli/output.ts';
import { renderMarkdown } from '../../cli/terminal/text/markdown.ts';
import { themeOf } from '../../cli/terminal/theme.ts';
import type { GenerateResult } from '../../core/generate.ts';
import { FakeTerminal } from './xterm.ts';

const PLAIN = themeOf({ color: 0, background: 'dark', ascii: false });
const RESULT = {} as GenerateResult;

const MARKDOWN = `# Fruits

**Apples**, pears and 林檎 or 梨: all of them are so very good that a sentence about them is wrapped, more than once in fact.

1. one
2. two with \`code\`

| a | b |
|---|---|
| 1 | 漢字 |

\`\`\`sh
echo "a line of code that is longer than the terminal is wide, which it folds"
\`\`\`

The end 👩‍👩‍👧.
`;

function open(columns = 40, rows = 12) {
  const terminal = new FakeTerminal(columns, rows);
  const stream = terminal as unknown as NodeJS.WriteStream;
  const output = new Output({ stdout: stream, stderr: stream, env: { NO_COLOR: '1' } });
  const printer = screenAnswer(output, stream as typeof process.stdout);
  const say = (text: string) => printer.token({ id: 0, text });
  return { terminal, output, printer, say };
}

/** The screen once `text` is on it. */
async function shows(terminal: FakeTerminal, text: string): Promise<string> {
  let screen = '';
  await vi.waitFor(async () => {
    screen = (await terminal.lines()).join('\n');
    expect(screen).toContain(text);
  });
  return screen;
}

describe('an answer on a terminal', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each([1, 3, 7, 1000])('is the rendered Markdown, in pieces of %i characters', async (length) => {
    vi.stubEnv('NO_COLOR', '1');
    const { terminal, printer, say } = open();
    const text = [...MARKDOWN];
    for (let i = 0; i < text.length; i += length) {
      await say(text.slice(i, i + length).join(''));
      if (i % 20 === 0) await sleep(5);
    }
    await printer.end(RESULT);
    const expected = renderMarkdown(MARKDOWN, { columns: 39, theme: PLAIN, hyperlinks: false });
    expect(await terminal.lines()).toEqual(expected);
    expect(terminal.cursor).toEqual({ x: 0, y: Math.min(expected.length, 11) });
    expect(terminal.writes.at(-1)).toContain('\x1b[?25h');
  });

  it('shows the first token at once, and words before their line is full', async () => {
    const { terminal, printer, say } = open();
    await say('Once');
    expect(await terminal.lines()).toEqual(['Once']);
    await say(' upon a **time');
    await shows(terminal, 'Once upon a time');
    await printer.end(RESULT);
    expect((await terminal.lines())[0]).toMatch(/^Once upon a \*\*time$/); // the mark was never closed
  });

  it('ends on a clean row after Ctrl-C, whose echo it erases', async () => {
    const { terminal, printer, say } = open();
    await say('One two');
    await say(' three');
    await shows(terminal, 'three');
    terminal.write('^C');
    await printer.end(RESULT);
    expect(await terminal.lines()).toEqual(['One two three']);
    expect(terminal.cursor).toEqual({ x: 0, y: 1 });
  });

  it('gives notes on stderr lines of their own', async () => {
    const { terminal, output, printer, say } = open();
    await say('One two');
    await say(' three');
    await shows(terminal, 'three');
    output.note('The device was lost.');
    await say(' four.');
    await shows(terminal, 'four');
    await printer.end(RESULT);
    output.note('Done.');
    expect(await terminal.lines()).toEqual(['The device was lost.', 'One two three four.', 'Done.']);
  });

  it('wraps what is not final to a new width', async () => {
    const { terminal, printer, say } = open(40);
    await say('aaaa ');
    await say('bbbb cccc dddd eeee ffff');
    await shows(terminal, 'ffff');
    terminal.resize(20, 12);
    await shows(terminal, 'aaaa bbbb cccc dddd\neeee ffff');
    await printer.end(RESULT);
    expect(await terminal.lines()).toEqual(['aaaa bbbb cccc dddd', 'eeee ffff']);
  });

  it('is one empty line if the answer is empty, and nothing if it failed', async () => {
    const empty = open();
    await empty.printer.end(RESULT);
    expect(empty.terminal.writes.join('')).toBe('\n');
    const failed = open();
    await failed.printer.end(undefined);
    expect(failed.terminal.writes).toEqual([]);
  });

  it('cannot be made to control the terminal', async () => {
    const { terminal, printer, say } = open();
    await say('a\x1b[2J');
    await say('\x1b]52;c;aGk=\x07');
    await printer.end(RESULT);
    expect((await terminal.lines()).join('')).toBe('a␛[2J␛]52;c;aGk=␇');
  });
});
