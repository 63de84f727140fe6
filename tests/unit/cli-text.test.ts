import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { textAnswer } from '../../cli/answer/printer.ts';
import { colorLevel, describeError, Output } from '../../cli/output.ts';
import { formatBytes, formatDuration } from '../../cli/sizes.ts';
import { assumeSize } from '../../cli/terminal/assumed-size.ts';
import { asciiOnly, lookOf } from '../../cli/terminal/look.ts';
import { terminalText } from '../../cli/terminal/terminal-text.ts';
import { editDistance, nearest } from '../../core/near-miss.ts';
import { UserError } from '../../errors.ts';

/** A stream that records. */
function fakeStream(isTTY: boolean) {
  const written: string[] = [];
  return {
    isTTY,
    written,
    write: (text: string) => written.push(text) > 0,
    once: () => undefined,
    getColorDepth: () => 8,
  };
}

function fakeOutput({ tty = false, quiet = false, env = {}, json = false, jsonl = false } = {}) {
  const stdout = fakeStream(tty);
  const stderr = fakeStream(tty);
  const output = new Output({ quiet, json, jsonl, stdout: stdout as never, stderr: stderr as never, env });
  return { output, out: stdout.written, err: stderr.written };
}

describe('terminalText', () => {
  it.each([
    ['plain text\n\twith é, 漢字 and 👩‍👩‍👧', 'plain text\n\twith é, 漢字 and 👩‍👩‍👧'],
    ['\x1b[31mred\x1b]52;c;aGk=\x07', '␛[31mred␛]52;c;aGk=␇'],
    ['over\rwritten\b', 'over␍written␈'],
    ['\x9b2J\x7f', '\ufffd2J␡'],
    ['a\u202ecba\u2066', 'a\ufffdcba\ufffd'],
  ])('%j', (text, expected) => {
    expect(terminalText(text)).toBe(expected);
  });
});

describe('an answer in text', () => {
  async function written(pieces: string[], tty = false): Promise<string> {
    const { output, out } = fakeOutput({ tty });
    const writer = textAnswer(output);
    for (const text of pieces) await writer.token({ id: 0, text });
    await writer.end(undefined);
    return out.join('');
  }

  it('ends with exactly one newline and keeps those inside', async () => {
    expect(await written(['a', '\n', '\n', 'b', '\n\n'])).toBe('a\n\nb\n');
    expect(await written(['a'])).toBe('a\n');
    expect(await written([])).toBe(''); // generation failed before it began
  });

  it('is escaped on a terminal and unchanged in a pipe', async () => {
    expect(await written(['\x1b', '[2J'], true)).toBe('␛[2J\n');
    expect(await written(['\x1b', '[2J'])).toBe('\x1b[2J\n');
  });
});

describe('every way out', () => {
  const HOSTILE = '\x1b]52;c;cHduZWQ=\x07\x1b[2J\x1b[1m\u009d0;t\u009c\u202e\x7f\r';
  const UNSAFE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/;

  it('shows control characters instead of obeying them', async () => {
    const { output, out, err } = fakeOutput({ tty: true, env: { NO_COLOR: '1' } });
    await output.print(HOSTILE);
    await output.table([[HOSTILE, HOSTILE]]);
    await output.json({ [HOSTILE]: HOSTILE });
    output.note(HOSTILE);
    await output.error(new Error(HOSTILE));
    await output.error(new UserError(HOSTILE, HOSTILE));
    expect(out.join('')).not.toMatch(UNSAFE);
    expect(err.join('')).not.toMatch(UNSAFE);
  });

  it('gives data to a pipe unchanged, and the same JSON everywhere', async () => {
    const pipe = fakeOutput();
    await pipe.output.print(HOSTILE);
    expect(pipe.out.join('')).toBe(HOSTILE);
    for (const tty of [false, true]) {
      const { output, out } = fakeOutput({ tty });
      await output.json({ text: HOSTILE });
      expect(JSON.parse(out.join(''))).toEqual({ text: HOSTILE });
    }
  });

  it('keeps its own styles, which text from outside cannot imitate', async () => {
    const { output, out } = fakeOutput({ tty: true });
    await output.print(`${output.style.heading('a')} ${HOSTILE}`);
    expect(out.join('')).toMatch(/^\x1b\[1ma\x1b\[0m \u241b/);
    expect(out.join('').match(/\x1b/g)).toHaveLength(2);
  });

  it('writes a table one row a line', async () => {
    const { output, out } = fakeOutput();
    await output.table([
      ['a\nb', 'c'],
      ['d', 'e\tf'],
    ]);
    expect(out.join('')).toBe('a\u240ab  c\nd    e f\n');
  });
});

describe('an error for scripts', () => {
  const error = new UserError('No model.', 'Pull it.', { kind: 'model-not-found' });
  const json = { message: 'No model.', hint: 'Pull it.', kind: 'model-not-found', exit_code: 3 };

  it('is one JSON value on stdout beside the words on stderr', async () => {
    const { output, out, err } = fakeOutput({ json: true });
    await output.error(error);
    expect(JSON.parse(out.join(''))).toEqual({ error: json });
    expect(err.join('')).toBe('error: No model.\n  Pull it.\n');
  });

  it('is a line of its own with --jsonl', async () => {
    const { output, out } = fakeOutput({ jsonl: true });
    await output.json({ type: 'start' });
    await output.error(error);
    expect(JSON.parse(out[1]!)).toEqual({ type: 'error', error: json });
  });

  it('does not follow the one value of --json, and is absent without', async () => {
    const answered = fakeOutput({ json: true });
    await answered.output.json({ text: 'half' });
    await answered.output.error(error);
    expect(answered.out).toHaveLength(1);
    const plain = fakeOutput();
    await plain.output.error(error);
    expect(plain.out).toEqual([]);
  });
});

describe('errors of the system', () => {
  const failing = (path: string) => {
    try {
      readFileSync(path);
    } catch (error) {
      return error;
    }
  };

  it.each([
    ['a missing file', failing('/nonexistent/file'), 'moved or deleted'],
    ['a file for a folder', failing(`${import.meta.filename}/x`), 'A file is where a folder is expected'],
    ['a folder for a file', failing(import.meta.dirname), 'A folder is where a file is expected'],
    ['too many files', Object.assign(new Error('EMFILE'), { code: 'EMFILE', syscall: 'open' }), 'ulimit -n'],
    [
      'too many processes',
      Object.assign(new Error('EAGAIN'), { code: 'EAGAIN', syscall: 'spawn' }),
      'ulimit -u',
    ],
    ['an unknown one', Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' }), 'the disk'],
    ['the database', Object.assign(new Error('malformed'), { errcode: 11 }), 'the disk'],
    ['memory', new RangeError('Array buffer allocation failed'), 'smaller model'],
  ])('are no bugs: %s', (_, error, hint) => {
    expect(describeError(error, { debug: false })).toEqual([
      expect.stringMatching(/^The system reports: /),
      expect.stringContaining(hint),
    ]);
  });

  it('name the limit behind an error in words', () => {
    const cause = new Error('Worker initialization failure: EMFILE');
    const error = new UserError('A thread ended.', 'Start again.', { cause: new Error('x', { cause }) });
    expect(describeError(error, { debug: false })).toEqual([
      'A thread ended.',
      expect.stringContaining('ulimit -n'),
    ]);
    const reading = Object.assign(new Error('EAGAIN: try again, read'), { code: 'EAGAIN', syscall: 'read' });
    const other = new UserError('Reading stdin failed.', 'Check the path.', { cause: reading });
    expect(describeError(other, { debug: false })[1]).toBe('  Check the path.');
  });

  it.each([
    new TypeError('x is not a function'),
    new RangeError('Invalid array length'),
    Object.assign(new TypeError('Expected a string'), { code: 'ERR_INVALID_ARG_TYPE' }),
    'text',
  ])('are not confused with bugs: %s', (error) => {
    expect(describeError(error, { debug: false })[1]).toContain('This is a bug in percept');
  });
});

describe('the size of a terminal', () => {
  it('is 80 x 24 where it says 0, now and later', () => {
    const stream = Object.assign(new EventEmitter(), { isTTY: true, columns: 0, rows: 0 });
    const seen: unknown[] = [];
    stream.on('resize', () => seen.push([stream.columns, stream.rows]));
    assumeSize(stream as never);
    expect([stream.columns, stream.rows]).toEqual([80, 24]);
    for (const columns of [0, 100]) {
      Object.assign(stream, { columns, rows: columns / 2 });
      stream.emit('resize');
    }
    expect(seen).toEqual([
      [80, 24],
      [100, 50],
    ]);
  });
});

describe('suggestions', () => {
  it.each([
    ['', '', 0],
    ['list', 'list', 0],
    ['lsit', 'list', 1],
    ['lst', 'list', 1],
    ['temprature', 'temperature', 1],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ])('editDistance(%j, %j) is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });

  it('do not confuse short words', () => {
    const commands = ['run', 'rm', 'list', 'detokenize'];
    expect(nearest('hi', commands)).toBeUndefined();
    expect(nearest('rum', commands)).toBe('run');
    expect(nearest('last', commands)).toBe('list');
    expect(nearest('lost?', commands)).toBeUndefined();
    expect(nearest('detoknise', commands)).toBe('detokenize');
  });
});

describe('sizes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1500, '2 kB'],
    [98_362_432, '98.4 MB'],
    [1.2e9, '1.2 GB'],
  ])('%i bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0.2, '1 s'],
    [59.1, '1 min 0 s'],
    [185, '3 min 5 s'],
    [7800, '2 h 10 min'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe('colours', () => {
  const terminal = { isTTY: true, getColorDepth: () => 24 };
  const pipe = { isTTY: false, getColorDepth: () => 24 };

  it.each([
    ['a terminal', terminal, {}, false, 3],
    ['a pipe', pipe, {}, false, 0],
    ['NO_COLOR', terminal, { NO_COLOR: '1' }, false, 0],
    ['an empty NO_COLOR', terminal, { NO_COLOR: '' }, false, 3],
    ['a dumb terminal', terminal, { TERM: 'dumb' }, false, 0],
    ['FORCE_COLOR in a pipe', pipe, { FORCE_COLOR: '1' }, false, 1],
    ['FORCE_COLOR against NO_COLOR', pipe, { FORCE_COLOR: '3', NO_COLOR: '1' }, false, 3],
    ['FORCE_COLOR=0', terminal, { FORCE_COLOR: '0' }, false, 0],
    ['--no-color against FORCE_COLOR', terminal, { FORCE_COLOR: '1' }, true, 0],
  ])('%s', (_, stream, env, noColor, level) => {
    expect(colorLevel(stream as never, env, noColor)).toBe(level);
  });
});

describe('the look of a terminal', () => {
  const terminal = { isTTY: true, getColorDepth: () => 8 } as never;

  it('has the available colours, unless they are turned off', () => {
    expect(lookOf(terminal, { env: {} }).color).toBe(2);
    expect(lookOf(terminal, { env: {}, noColor: true }).color).toBe(0);
  });

  it.each([
    [undefined, 'dark'],
    ['15;0', 'dark'],
    ['0;15', 'light'],
    ['0;default;7', 'light'],
    ['7;8', 'dark'],
    ['default', 'dark'],
  ])('COLORFGBG=%s is %s', (COLORFGBG, background) => {
    expect(lookOf(terminal, { env: { COLORFGBG } }).background).toBe(background);
  });

  it.each<[NodeJS.ProcessEnv, NodeJS.Platform, boolean]>([
    [{}, 'linux', false],
    [{ LANG: 'en_GB.UTF-8' }, 'linux', false],
    [{ LANG: 'C' }, 'linux', true],
    [{ LANG: 'en_GB.UTF-8', LC_ALL: 'POSIX' }, 'linux', true],
    [{ LANG: 'de_DE.ISO-8859-1', LC_CTYPE: 'de_DE.utf8' }, 'linux', false],
    [{ LANG: 'en_GB.UTF-8', TERM: 'linux' }, 'linux', true],
    [{ LANG: 'C' }, 'win32', true],
    [{ WT_SESSION: '1' }, 'win32', false],
  ])('%j on %s: ASCII alone is %s', (env, platform, ascii) => {
    expect(asciiOnly(env, platform)).toBe(ascii);
  });

  it('is ASCII on request', () => {
    expect(lookOf(terminal, { env: {}, ascii: true }).ascii).toBe(true);
  });
});
