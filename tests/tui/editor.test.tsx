import { EventEmitter } from 'node:events';
import { Terminal } from '@xterm/headless';
import { Box, type Instance, type Key, render as renderOn, Text, useInput, usePaste } from 'ink';
import { render } from 'ink-testing-library';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createStore, type Store } from '../../cli/store.ts';
import { type Cell, LiveRegion } from '../../cli/terminal/live-region.ts';
import { themeOf } from '../../cli/terminal/theme.ts';
import type { CompletionSource } from '../../cli/tui/editor/completion.ts';
import { Editor } from '../../cli/tui/editor/Editor.tsx';
import { PromptHistory } from '../../cli/tui/editor/history.ts';
import { keystrokes, type Stroke, strokeOf } from '../../cli/tui/editor/keys.ts';
import { EditorModel } from '../../cli/tui/editor/model.ts';
import { useStore } from '../../cli/tui/use-store.ts';

const theme = themeOf({ color: 0, background: 'dark', ascii: false });

/** Waits until it holds. */
const until = (check: () => void) => vi.waitFor(check, { interval: 5, timeout: 10_000 });

const mounted: Pick<Instance, 'unmount'>[] = [];
afterEach(() => {
  for (const instance of mounted.splice(0)) instance.unmount();
});

const commands: CompletionSource = (text, cursor) => {
  const names = ['/help', '/history'].filter((name) => name.startsWith(text));
  return { start: 0, end: cursor, items: names.map((value) => ({ value, label: value })) };
};

interface PromptProps {
  readonly model: EditorModel;
  readonly columns: number;
  readonly above?: Store<readonly string[]>;
  readonly onOther?: (input: string, key: Key) => void;
  readonly onCaret?: (caret: Cell | undefined) => void;
}

/** The editor as in a chat: lines above it, a footer below, and keys passed on one by one. */
function Prompt({ model, columns, above, onOther, onCaret }: PromptProps) {
  useInput((input, key) => {
    for (const stroke of keystrokes(input, key)) if (!model.key(...stroke)) onOther?.(...stroke);
  });
  usePaste((text) => model.paste(text));
  return (
    <Box flexDirection="column">
      {above && <Above lines={above} />}
      <Editor {...{ model, theme, columns, onCaret }} maxRows={4} placeholder="Ask anything" />
      <Text>footer</Text>
    </Box>
  );
}

function Above({ lines }: { readonly lines: Store<readonly string[]> }) {
  const shown = useStore(lines);
  return shown.length > 0 && <Text>{shown.join('\n')}</Text>;
}

function Keys({ onStroke }: { readonly onStroke: (stroke: Stroke) => void }) {
  useInput((input, key) => {
    for (const stroke of keystrokes(input, key)) onStroke(strokeOf(...stroke));
  });
  return null;
}

function newModel() {
  const sent: string[] = [];
  const history = PromptHistory.open();
  for (const entry of ['an old prompt', 'a newer one']) history.add(entry);
  return {
    sent,
    model: new EditorModel({ onSubmit: (text) => sent.push(text), history, sources: [commands] }),
  };
}

describe('the drawn editor', () => {
  async function mount(onOther?: PromptProps['onOther']) {
    const { model, sent } = newModel();
    const app = render(<Prompt model={model} columns={40} onOther={onOther} />);
    mounted.push(app);
    await until(() => expect(app.stdin.listenerCount('readable')).toBe(1));
    const shows = (...lines: string[]) =>
      until(() => expect(app.lastFrame()).toBe([...lines, 'footer'].join('\n')));
    return { model, sent, shows, write: app.stdin.write };
  }

  it('shows the placeholder, then what is typed', async () => {
    const { shows, write } = await mount();
    await shows('› Ask anything');
    write('hello 你好');
    await shows('› hello 你好');
    write('\n');
    write('second');
    await shows('› hello 你好', '  second');
  });

  it('sends text and Enter of one read', async () => {
    const { sent, shows, write } = await mount();
    write('hello\r');
    await shows('› Ask anything');
    expect(sent).toEqual(['hello']);
  });

  it('folds a long bracketed paste', async () => {
    const { model, shows, write } = await mount();
    write(`\x1b[200~${'line\r'.repeat(42)}\x1b[201~`);
    await shows('› [pasted #1, 42 lines]');
    expect(model.text).toBe('line\n'.repeat(42));
  });

  it('has the menu below the text', async () => {
    const { shows, write } = await mount();
    write('/h');
    await shows('› /h', '▸ /help', '  /history');
    write('\x1b[B');
    await shows('› /h', '  /help', '▸ /history');
    write('\t');
    await shows('› /history');
  });

  it('searches the history in its place', async () => {
    const { shows, write } = await mount();
    write('draft');
    write('\x12');
    write('old');
    await shows('search history: old', '  an old prompt');
    write('\r');
    await shows('› an old prompt');
  });

  it('leaves other keys to the chat', async () => {
    const others: string[] = [];
    const { write } = await mount((...stroke) => {
      const found = strokeOf(...stroke);
      if ('chord' in found) others.push(found.chord);
    });
    for (const bytes of ['\x03', '\x04', '\x14', '\x1a', '\x1b[5~', '\x1bOP', '\x1b[15~']) write(bytes);
    expect(others).toEqual(['ctrl+c', 'ctrl+d', 'ctrl+t', 'ctrl+z', 'page-up', '', '']);
  });
});

describe("Ink's parsing of the bytes of a key", () => {
  const seen: Stroke[] = [];
  const app = render(<Keys onStroke={(stroke) => seen.push(stroke)} />);
  beforeAll(() => until(() => expect(app.stdin.listenerCount('readable')).toBe(1)));
  afterAll(() => app.unmount());

  it.each([
    ['\r', 'enter'],
    ['\n', 'ctrl+j'],
    ['\x1b\r', 'alt+enter'],
    ['\x1b[13;2u', 'shift+enter'],
    ['\t', 'tab'],
    ['\x1b[Z', 'shift+tab'],
    ['\x7f', 'backspace'],
    ['\b', 'backspace'],
    ['\x1b\x7f', 'alt+backspace'],
    ['\x1b[3~', 'delete'],
    ['\x1b[3;5~', 'ctrl+delete'],
    ['\x1b[1;5D', 'ctrl+left'],
    ['\x1b[1;3C', 'alt+right'],
    ['\x1bb', 'alt+b'],
    ['\x1bd', 'alt+d'],
    ['\x1by', 'alt+y'],
    ['\x1b_', 'alt+_'],
    ['\x1b<', 'alt+<'],
    ['\x1b[H', 'home'],
    ['\x1bOF', 'end'],
    ['\x1b[1;5H', 'ctrl+home'],
    ['\x01', 'ctrl+a'],
    ['\x0b', 'ctrl+k'],
    ['\x0f', 'ctrl+o'],
    ['\x12', 'ctrl+r'],
    ['\x1f', 'ctrl+_'],
    ['\x1b[45;6u', 'ctrl+_'],
    ['\x1b[47;5u', 'ctrl+/'],
    ['\x1b[97;5u', 'ctrl+a'],
    ['\x1b[98;3u', 'alt+b'],
  ])('%j is %s', (bytes, chord) => {
    seen.length = 0;
    app.stdin.write(bytes);
    expect(seen).toEqual([{ chord }]);
  });
});

describe('on a terminal', () => {
  class Keyboard extends EventEmitter {
    readonly isTTY = true;
    #data: string | null = null;
    setEncoding() {}
    setRawMode() {}
    ref() {}
    unref() {}
    read() {
      const data = this.#data;
      this.#data = null;
      return data;
    }
    press(data: string) {
      this.#data = data;
      this.emit('readable');
    }
  }

  function mount(model: EditorModel) {
    const [columns, rows] = [30, 12];
    const terminal = new Terminal({ cols: columns, rows, convertEol: true, allowProposedApi: true });
    const stdin = new Keyboard();
    const stdout = Object.assign(new EventEmitter(), {
      isTTY: true,
      columns,
      rows,
      write(data: string, encoding?: unknown, done?: () => void) {
        terminal.write(data, typeof encoding === 'function' ? () => encoding() : done);
        return true;
      },
    });
    const above = createStore<readonly string[]>([]);
    const region = new LiveRegion(stdout as unknown as NodeJS.WriteStream);
    const app = renderOn(<Prompt above={above} model={model} columns={columns} onCaret={region.place} />, {
      stdout: region.stdout,
      stdin: stdin as unknown as NodeJS.ReadStream,
      debug: true,
      interactive: true,
      exitOnCtrlC: false,
      patchConsole: false,
    });
    mounted.push(app, { unmount: region.end });
    const { buffer } = terminal;
    const cursor = () => [buffer.active.cursorX, buffer.active.cursorY];
    const line = (y: number) => buffer.active.getLine(y)!.translateToString(true);
    return { app, stdin, cursor, line, above };
  }

  it('the real cursor is at the editing position', async () => {
    const { model } = newModel();
    const { stdin, cursor, line } = mount(model);
    await until(() => expect(cursor()).toEqual([2, 0]));
    stdin.press('你好 hello');
    await until(() => expect(cursor()).toEqual([12, 0]));
    expect(line(0)).toBe('› 你好 hello');
    stdin.press('\x1b[D');
    await until(() => expect(cursor()).toEqual([11, 0]));
    stdin.press('\x01');
    await until(() => expect(cursor()).toEqual([2, 0]));
    stdin.press('\x05\nsecond');
    await until(() => expect(cursor()).toEqual([8, 1]));
    expect(line(2)).toBe('footer');
  });

  it('moves when the text above grows, without a redraw of the editor', async () => {
    const { model } = newModel();
    const { app, stdin, cursor, line, above } = mount(model);
    stdin.press('x');
    await until(() => expect(cursor()).toEqual([3, 0]));
    for (let count = 1; count <= 5; count++) {
      above.set(() => Array.from({ length: count }, (_, i) => `line ${i}`));
      await app.waitUntilRenderFlush();
      expect(cursor()).toEqual([3, count]);
      expect(line(count)).toBe('› x');
    }
  });

  it('is in the last column after a full row, and after the query in the search', async () => {
    const { model } = newModel();
    const { stdin, cursor } = mount(model);
    stdin.press('a'.repeat(27));
    await until(() => expect(cursor()).toEqual([29, 0]));
    stdin.press('b');
    await until(() => expect(cursor()).toEqual([3, 1]));
    stdin.press('\x12new');
    await until(() => expect(cursor()).toEqual([19, 0]));
  });
});
