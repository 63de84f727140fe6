import { setTimeout as sleep } from 'node:timers/promises';
import { render } from 'ink';
import { describe, expect, it } from 'vitest';
import { Dialogue } from '../../cli/chat/dialogue.ts';
import { framePace, Pacer } from '../../cli/chat/pacer.ts';
import { SessionKeeper } from '../../cli/chat/session-keeper.ts';
import { LiveRegion } from '../../cli/terminal/live-region.ts';
import { themeOf } from '../../cli/terminal/theme.ts';
import { App } from '../../cli/tui/chat/App.tsx';
import { ChatScreen } from '../../cli/tui/chat/chat-screen.ts';
import { ScreenTranscript } from '../../cli/tui/chat/screen-transcript.ts';
import { EditorModel } from '../../cli/tui/editor/model.ts';
import { FakeTerminal } from './xterm.ts';

const TOKENS = 600;
const SECONDS = 3;

const SHOW_CURSOR = '\x1b[?25h';

/** Words with paragraphs, a list and code, each line unique, so that a repeated line is a fault. */
function answer(): string[] {
  const tokens: string[] = [];
  for (let i = 0; tokens.length < TOKENS; i++) {
    const kind = Math.floor(i / 40) % 3;
    if (i % 40 === 0) tokens.push(['\n\n', '\n\n- ', '\n\n```js\n'][kind]!);
    else if (i % 40 === 39) tokens.push(kind === 2 ? '\n```' : '.');
    else if (i % 8 === 0) tokens.push(kind === 1 ? '\n- ' : kind === 2 ? '\n' : ' ');
    else tokens.push(` word${i}`);
  }
  return tokens.slice(0, TOKENS);
}

async function stream(rows: number, pacer: Pacer): Promise<FakeTerminal> {
  const terminal = new FakeTerminal(80, rows);
  const region = new LiveRegion(terminal as unknown as NodeJS.WriteStream);
  const theme = themeOf({ color: 2, background: 'dark', ascii: false });
  const transcript = new ScreenTranscript({
    theme,
    columns: 80,
    pacer,
    hyperlinks: false,
    debug: false,
    look: () => ({ raw: false, colours: false }),
    print: region.print,
  });
  const dialogue = new Dialogue({
    frontend: { transcript },
    keeper: new SessionKeeper(),
    options: {},
    pacer,
  });
  const surroundings = {
    write: () => {},
    suspend: async () => {},
    editExternally: async () => '',
    redraw: () => {},
    exit: () => {},
  };
  const editor = new EditorModel({ onSubmit: () => {} });
  const screen = new ChatScreen({ dialogue, transcript, editor, theme, surroundings, columns: 80, rows });
  const instance = render(<App screen={screen} region={region} onReady={() => {}} />, {
    stdout: region.stdout,
    stdin: terminal.stdin as unknown as NodeJS.ReadStream,
    interactive: true,
    exitOnCtrlC: false,
    debug: true,
    patchConsole: false,
  });
  await transcript.prepare();
  transcript.add({ kind: 'user', text: 'say a lot' });
  transcript.add({ kind: 'answer-begin' });
  const start = performance.now();
  for (const [i, text] of answer().entries()) {
    transcript.add({ kind: 'answer-text', text });
    const early = start + (1000 * SECONDS * (i + 1)) / TOKENS - performance.now();
    if (early > 0) await sleep(early);
  }
  const origin = { model: 'm', backend: 'cpu', finish: 'stop', seed: 1 } as const;
  const counts = { promptTokens: 1, completionTokens: TOKENS, cachedTokens: 0, prefillMs: 1, decodeMs: 3000 };
  transcript.add({ kind: 'answer-end', origin: { ...origin, ...counts } });
  await instance.waitUntilRenderFlush();
  instance.unmount();
  region.end();
  return terminal;
}

describe('the cost of an answer of 600 tokens in 3 seconds', () => {
  it.each([
    [24, 2],
    [10, 2],
    [24, 16],
  ])('on %i rows and %i cores: few frames, few bytes, and every line once', async (rows, cores) => {
    const terminal = await stream(rows, new Pacer(framePace(cores)));
    expect(terminal.frames).toBeLessThanOrEqual(130);
    expect(terminal.frames).toBeGreaterThan(15);
    expect(terminal.bytes).toBeLessThanOrEqual(60_000);
    const words = (await terminal.lines()).join(' ').match(/word\d+/g)!;
    const expected = answer()
      .join('')
      .match(/word\d+/g)!;
    expect(words).toEqual(expected);
    // The first frame of the answer draws the caret instead of the cursor, and its last frame reverts that.
    expect(terminal.writes.find((text) => text.includes('word'))).not.toContain(SHOW_CURSOR);
    expect(terminal.writes.findLast((text) => text.includes('600 tokens'))).toContain(SHOW_CURSOR);
  });
});
