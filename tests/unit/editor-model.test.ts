import type { Key } from 'ink';
import { describe, expect, it, vi } from 'vitest';
import type { Completion, CompletionSource } from '../../cli/tui/editor/completion.ts';
import { PromptHistory } from '../../cli/tui/editor/history.ts';
import { keystrokes } from '../../cli/tui/editor/keys.ts';
import { EditorModel } from '../../cli/tui/editor/model.ts';
import { key } from './editor-keyboard.ts';

const KEYS: Record<string, readonly [string, Partial<Key>]> = {
  enter: ['\r', { return: true }],
  newline: ['\n', {}],
  up: ['', { upArrow: true }],
  down: ['', { downArrow: true }],
  left: ['', { leftArrow: true }],
  tab: ['', { tab: true }],
  escape: ['', { escape: true }],
  backspace: ['', { backspace: true }],
};
const ctrl = (input: string): readonly [string, Partial<Key>] => [input, { ctrl: true }];

function newModel(options: Partial<ConstructorParameters<typeof EditorModel>[0]> = {}) {
  const sent: string[] = [];
  const model = new EditorModel({ onSubmit: (text) => sent.push(text), ...options });
  /** Whether the editor took the last of the keys: names of KEYS in angle brackets, `^x` for Ctrl-X, else text. */
  const press = (...keys: string[]): boolean => {
    let isTaken = false;
    for (const name of keys) {
      const [input, flags] = KEYS[name.slice(1, -1)] ?? (/^\^.$/.test(name) ? ctrl(name[1]!) : [name, {}]);
      for (const stroke of keystrokes(input, key(flags))) isTaken = model.key(...stroke);
    }
    return isTaken;
  };
  return { model, sent, press };
}

function historyOf(...entries: string[]): PromptHistory {
  const history = PromptHistory.open();
  for (const entry of entries) history.add(entry);
  return history;
}

describe('sending', () => {
  it('takes the text, clears the editor and remembers it', () => {
    const { model, sent, press } = newModel();
    expect(press('hello', '<enter>')).toBe(true);
    expect(sent).toEqual(['hello']);
    expect(model.text).toBe('');
    expect(model.history.entries).toEqual(['hello']);
  });

  it('works for text and Enter of one read, several times over', () => {
    const { model, sent, press } = newModel();
    press('hello\r/exit\rrest');
    expect(sent).toEqual(['hello', '/exit']);
    expect(model.text).toBe('rest');
  });

  it('does not follow Enter after a backslash, or Ctrl-J', () => {
    const { sent, press } = newModel();
    press('a\\', '<enter>', 'b', '<newline>', 'c', '<enter>');
    expect(sent).toEqual(['a\nb\nc']);
  });

  it('needs a text', () => {
    const { sent, press } = newModel();
    expect(press(' ', '<enter>')).toBe(false);
    expect(sent).toEqual([]);
  });

  it('sends a folded paste in full', () => {
    const { model, sent, press } = newModel();
    const long = 'x\n'.repeat(42);
    model.paste(long);
    press('<enter>');
    expect(sent).toEqual([long]);
  });

  it('keeps the kill ring, also with a paste', () => {
    const { model, press } = newModel();
    model.paste('x'.repeat(600));
    press('^w', 'hello', '<enter>');
    model.paste('y'.repeat(600));
    press('^y');
    expect(model.text).toBe('y'.repeat(600) + 'x'.repeat(600));
  });

  it('works even if the history cannot be written', () => {
    const onProblem = vi.fn();
    const history = historyOf();
    vi.spyOn(history, 'add').mockImplementation(() => {
      throw new Error('disk full');
    });
    const { sent, press } = newModel({ history, onProblem });
    press('hello', '<enter>');
    expect(sent).toEqual(['hello']);
    expect(onProblem).toHaveBeenCalledOnce();
  });
});

describe('keys that the editor does not handle', () => {
  it.each(['<escape>', '^c', '^t', '^l', '^z', '^d'])('%s is left to the chat', (name) => {
    expect(newModel().press(name)).toBe(false);
  });

  it('Ctrl-D deletes if there is text', () => {
    const { model, press } = newModel();
    expect(press('ab', '^a', '^d')).toBe(true);
    expect(model.text).toBe('b');
  });

  it('is idle only while the text is empty and nothing is open', () => {
    const { model, press } = newModel();
    expect(model.idle).toBe(true);
    press('^r');
    expect(model.idle).toBe(false);
    press('<escape>', 'a');
    expect(model.idle).toBe(false);
  });

  it('include Ctrl-G unless an external editor is available', () => {
    const onExternalEditor = vi.fn();
    expect(newModel().press('^g')).toBe(false);
    expect(newModel({ onExternalEditor }).press('^g')).toBe(true);
    expect(onExternalEditor).toHaveBeenCalledOnce();
  });

  it('include up and down if there is no older or newer entry', () => {
    const { press } = newModel();
    expect(press('text', '<up>')).toBe(false);
    expect(press('<down>')).toBe(false);
  });
});

describe('the history', () => {
  it('is walked with up and down, and gives back the draft', () => {
    const { model, press } = newModel({ history: historyOf('one', 'two\nlines') });
    press('draft', '<left>', '<up>');
    expect(model.text).toBe('two\nlines');
    press('<up>');
    expect(model.text).toBe('one');
    expect(press('<up>')).toBe(false);
    press('<down>', '<down>');
    expect(model.text).toBe('draft');
    press('!');
    expect(model.text).toBe('draf!t');
  });

  it('moves on at once with up, and line by line with down', () => {
    const { model, press } = newModel({ history: historyOf('old', 'a\nb') });
    press('<up>');
    expect(model.view.get().state).toMatchObject({ row: 0, col: 1 });
    press('<down>');
    expect(model.view.get().state).toMatchObject({ row: 1, col: 1 });
    press('<up>', '<up>');
    expect(model.text).toBe('old');
  });

  it('is always reached with Ctrl-P and Ctrl-N, and undo reverts it', () => {
    const { model, press } = newModel({ history: historyOf('one') });
    press('a', '<newline>', 'b', '^p');
    expect(model.text).toBe('one');
    press('^n');
    expect(model.text).toBe('a\nb');
    press('^p', '^_');
    expect(model.text).toBe('a\nb');
  });

  it('keeps folded pastes of the draft', () => {
    const { model, press } = newModel({ history: historyOf('one') });
    model.paste('x'.repeat(600));
    press('<up>', '<down>');
    expect(model.text).toBe('x'.repeat(600));
    expect(model.view.get().state.lines[0]).toHaveLength(1);
  });

  it('remembers discarded text', () => {
    const { model, press } = newModel();
    press('half');
    model.discard();
    expect(model.text).toBe('');
    press('<up>');
    expect(model.text).toBe('half');
  });
});

describe('the search', () => {
  const history = () => historyOf('list files', 'write', 'list folders');

  it('finds while typing and puts the entry into the editor', () => {
    const { model, sent, press } = newModel({ history: history() });
    press('draft', '^r', 'li');
    expect(model.view.get().search).toEqual({ query: 'li', found: 2, failed: false });
    press('^r');
    expect(model.view.get().search?.found).toBe(0);
    press('<enter>');
    expect(model.view.get().search).toBeUndefined();
    expect(model.text).toBe('list files');
    expect(sent).toEqual([]);
    press('<down>', '<down>', '<down>');
    expect(model.text).toBe('draft');
  });

  it('is cancelled with Escape and leaves the draft', () => {
    const { model, press } = newModel({ history: history() });
    press('draft', '^r', 'wri');
    expect(press('<escape>')).toBe(true);
    expect(model.text).toBe('draft');
    expect(press('<escape>')).toBe(false);
  });

  it('deletes letters, also pasted ones', () => {
    const { model, press } = newModel({ history: history() });
    press('^r', 'writ', 'x', '<backspace>');
    model.paste('e');
    expect(model.view.get().search).toEqual({ query: 'write', found: 1, failed: false });
  });

  it('ends with any other key of the editor, which then takes effect', () => {
    const { model, press } = newModel({ history: history() });
    press('^r', 'wri', '^a', 'X');
    expect(model.text).toBe('Xwrite');
    expect(press('^r', '^l')).toBe(false);
    expect(model.view.get().search).toBeDefined();
  });
});

describe('completion', () => {
  const NAMES = ['/help', '/history', '/exit'];
  const source: CompletionSource = (text, cursor) =>
    text.startsWith('/') && !text.includes(' ')
      ? {
          start: 0,
          end: cursor,
          items: NAMES.filter((name) => name.startsWith(text)).map((value) => ({ value, label: value })),
        }
      : undefined;
  const menuOf = (model: EditorModel) => model.view.get().menu?.items.map(({ label }) => label);

  it('opens by itself in a command and follows the typed text', () => {
    const { model, press } = newModel({ sources: [source] });
    press('/');
    expect(menuOf(model)).toEqual(NAMES);
    press('h');
    expect(menuOf(model)).toEqual(['/help', '/history']);
    press('x');
    expect(menuOf(model)).toBeUndefined();
    press('<backspace>');
    expect(menuOf(model)).toEqual(['/help', '/history']);
    press('<left>');
    expect(menuOf(model)).toBeUndefined();
  });

  it('is accepted with Tab, and a space follows', () => {
    const { model, press } = newModel({ sources: [source] });
    press('/h', '<down>', '<tab>');
    expect(model.text).toBe('/history ');
    expect(menuOf(model)).toBeUndefined();
  });

  it('gives its chosen entry to Enter, unless that is typed already', () => {
    const { model, sent, press } = newModel({ sources: [source] });
    press('/h', '<down>', '<enter>');
    expect(model.text).toBe('/history ');
    model.setText('');
    press('/h', '<enter>');
    expect(model.text).toBe('/help ');
    expect(sent).toEqual([]);
    press('<enter>');
    press('/help', '<enter>');
    expect(sent).toEqual(['/help ', '/help']);
    expect(menuOf(model)).toBeUndefined();
  });

  it('stays closed after Escape until Tab or another word', () => {
    const { model, press } = newModel({ sources: [source] });
    expect(press('/h', '<escape>')).toBe(true);
    expect(press('<escape>')).toBe(false);
    press('i');
    expect(menuOf(model)).toBeUndefined();
    press('<backspace>', '<tab>');
    expect(menuOf(model)).toEqual(['/help', '/history']);
    press('<escape>', '^u', '/');
    expect(menuOf(model)).toEqual(NAMES);
  });

  it('takes a single entry at once on Tab', () => {
    const { model, press } = newModel({ sources: [source] });
    press('/e', '<escape>', '<tab>');
    expect(model.text).toBe('/exit ');
  });

  it('does not open in the history, nor block its keys', () => {
    const { model, press } = newModel({ sources: [source], history: historyOf('x', '/help') });
    press('<up>');
    expect(menuOf(model)).toBeUndefined();
    press('<up>');
    expect(model.text).toBe('x');
  });

  it('does nothing on Tab if no source has an answer', () => {
    const { model, press } = newModel({ sources: [source] });
    expect(press('text', '<tab>')).toBe(true);
    expect(model.text).toBe('text');
  });

  it('continues after a folder without a space', () => {
    const paths: CompletionSource = (text, cursor) =>
      text === '@s'
        ? { start: 0, end: cursor, items: [{ value: '@src/', label: 'src/', partial: true }] }
        : { start: 0, end: cursor, items: [{ value: '@src/a.ts', label: 'a.ts' }] };
    const { model, press } = newModel({ sources: [paths] });
    press('@s', '<tab>');
    expect(model.text).toBe('@src/');
    expect(menuOf(model)).toEqual(['a.ts']);
  });

  describe('that comes later', () => {
    function deferred() {
      const answers: ((completion: Completion | undefined) => void)[] = [];
      const later: CompletionSource = () => new Promise((resolve) => answers.push(resolve));
      const offer = (...labels: string[]) => ({
        start: 0,
        end: 1,
        items: labels.map((label) => ({ value: label, label })),
      });
      return { answers, offer, ...newModel({ sources: [later] }) };
    }
    const settled = () => new Promise((resolve) => setImmediate(resolve));

    it('shows the answer to the last question only', async () => {
      const { answers, offer, model, press } = deferred();
      press('@', 'a');
      answers[1]!(offer('new'));
      answers[0]!(offer('stale'));
      await settled();
      expect(menuOf(model)).toEqual(['new']);
    });

    it('is not accepted for a text that has changed', async () => {
      const { answers, offer, model, sent, press } = deferred();
      press('@');
      answers[0]!(offer('one', 'two'));
      await settled();
      press('<down>', 'x');
      expect(menuOf(model)).toEqual(['one', 'two']);
      press('<enter>');
      expect(sent).toEqual(['@x']);
      answers[1]!(offer('late'));
      await settled();
      expect(menuOf(model)).toBeUndefined();
    });
  });
});
