/** The whole chat in a real terminal, as users see it. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { emptyFolder, PROGRAM, TINY_MODEL } from '../cli/percept.ts';
import { HAS_TMUX, Terminal, type TerminalOptions } from './tmux.ts';

const TEMPLATE = '{% for m in messages %}{{ m.content }}\n{% endfor %}';

/** Takes most of the time from the reference backend, which computes on the main thread in slices of 20 ms. */
const SLOW =
  'setInterval(() => { for (const end = performance.now() + 150; performance.now() < end; ); }, 5).unref();';

interface ChatOptions extends TerminalOptions {
  readonly flags?: string;
  readonly home?: string;
  /** So slow that there is time to do something in the middle of an answer, on any machine. */
  readonly slow?: boolean;
  /** NAME=value, for variables that tmux would set itself. */
  readonly variable?: string;
}

function chat({
  flags = '',
  home = emptyFolder(),
  variable = '',
  slow = false,
  env = {},
  ...options
}: ChatOptions = {}) {
  const folder = emptyFolder();
  writeFileSync(join(folder, 'template.jinja'), TEMPLATE);
  const command = `${variable} ${process.execPath} ${PROGRAM} chat -m ${TINY_MODEL} --backend cpu --template template.jinja --ignore-eos ${flags}`;
  if (slow) writeFileSync(join(folder, 'slow.mjs'), SLOW);
  const loaded: Record<string, string> = slow ? { NODE_OPTIONS: `--import=${join(folder, 'slow.mjs')}` } : {};
  const surroundings = { PERCEPT_HOME: home, LANG: 'C.UTF-8', ...loaded, ...env };
  const terminal = new Terminal(command, { cwd: folder, env: surroundings, ...options });
  return { terminal, home, folder };
}

const READY = 'Ask anything, /help';
const ANSWERING = /tok\/s.*Esc stops/;

/** Lines of the screen that are not empty. */
const filled = (screen: string) => screen.split('\n').filter((line) => line.trim() !== '');

/** Prints 3 on a terminal that edits lines, echoes and sends signals. */
const COUNT_MODES = "stty -a | tr ' ;' '\\n\\n' | grep -cx -e icanon -e echo -e isig";

/** A program started now finds a terminal that edits lines and echoes, apart from the shell's own line editor. */
async function expectCooked(terminal: Terminal): Promise<void> {
  terminal.type(COUNT_MODES);
  terminal.press('Enter');
  await terminal.shows(/^3$/m);
  expect(terminal.fact('cursor_flag')).toBe('1');
}

/** The newest session as JSON, by another process. */
function lastSession(home: string) {
  const run = (...args: string[]) =>
    JSON.parse(
      execFileSync(process.execPath, [PROGRAM, 'sessions', ...args, '--json'], {
        env: { ...process.env, PERCEPT_HOME: home },
        encoding: 'utf8',
      }),
    );
  const [{ id }] = run('list').sessions;
  return run('show', id);
}

describe.skipIf(!HAS_TMUX)('percept chat in a terminal', () => {
  it('accepts input before the model is loaded, and answers it', async () => {
    const { terminal } = chat({ flags: '-n 8' });
    await terminal.shows(/^percept \d/m);
    terminal.type('hello there');
    terminal.press('Enter');
    const screen = await terminal.shows(/8 tokens/);
    expect(screen).toContain('› hello there');
    await terminal.shows(READY);
  });

  it('erases itself if it cannot begin', async () => {
    const { terminal } = chat({ flags: '--nonsense' });
    const screen = await terminal.shows('has no option --nonsense');
    expect(screen).not.toContain('Ask anything');
    await terminal.shows(/^\$$/m);
    await expectCooked(terminal);
  });

  it('writes several lines, folds a paste, and sends all of it', async () => {
    const { terminal, home } = chat({ flags: '-n 4' });
    await terminal.shows(READY);
    terminal.type('first line');
    terminal.press('C-j');
    terminal.type('second line ');
    terminal.paste(Array.from({ length: 12 }, (_, i) => `pasted ${i}`).join('\n'));
    await terminal.shows('[pasted #1, 12 lines]');
    terminal.press('Enter');
    await terminal.shows(/4 tokens/);
    expect(JSON.stringify(lastSession(home))).toContain('second line pasted 0\\npasted 1');
  });

  it('stops an answer and keeps it; retries beside it; switches versions', async () => {
    const { terminal } = chat({ slow: true, flags: '-n 480 --backend reference' });
    await terminal.shows(READY);
    terminal.type('go on for long');
    terminal.press('Enter');
    await terminal.shows(ANSWERING);
    terminal.press('Escape');
    await terminal.shows(/stopped/);
    terminal.type('/retry');
    terminal.press('Enter');
    await terminal.shows(ANSWERING);
    terminal.press('C-c');
    await terminal.shows(/stopped.*‹ 2\/2 ›/);
    terminal.press('Left');
    await terminal.shows(/stopped.*‹ 1\/2 ›/);
  });

  it('edits the last question after Esc Esc for as long as it says so, but not over a draft', async () => {
    const { terminal } = chat({ flags: '-n 2' });
    await terminal.shows(READY);
    terminal.type('go');
    terminal.press('Enter');
    await terminal.shows(/2 tokens/);
    terminal.type('a draft');
    terminal.press('Escape');
    terminal.press('Escape');
    await terminal.shows('› a draft');
    terminal.press('C-u');
    terminal.press('Escape');
    await terminal.shows('Esc again edits the last question');
    await sleep(1000);
    terminal.press('Escape');
    await terminal.shows(/› go\n/);
    await terminal.shows('a new version of that question');
  });

  it('leaves no prompt and no footer behind', async () => {
    const { terminal } = chat({ flags: '-n 2' });
    await terminal.shows(READY);
    terminal.type('go');
    terminal.press('Enter');
    await terminal.shows(/2 tokens/);
    terminal.press('C-d');
    await terminal.shows(/saved as/);
    expect(terminal.screen()).not.toContain('Ask anything');
    expect(terminal.screen()).not.toContain('/help');
  });

  it('queues a message while it answers, and removes it again', async () => {
    const { terminal } = chat({ slow: true, flags: '-n 480 --backend reference' });
    await terminal.shows(READY);
    terminal.type('go');
    terminal.press('Enter');
    await terminal.shows(ANSWERING);
    terminal.type('and then');
    terminal.press('Enter');
    await terminal.shows('next: and then');
    terminal.press('Up');
    await terminal.shows('› and then');
    terminal.press('Escape');
    await terminal.shows(/stopped/);
    expect(terminal.screen()).not.toContain('next:');
  });

  it('takes keys of a view that arrive together', async () => {
    const { terminal } = chat({ flags: '-n 3', rows: 30 });
    await terminal.shows(READY);
    terminal.type('go');
    terminal.press('Enter');
    await terminal.shows(/3 tokens/);
    terminal.type('/why');
    terminal.press('Enter');
    await terminal.shows(/all \d+ heads/);
    terminal.type(']]');
    await terminal.shows(/head 2 of/);
    terminal.type('q');
    await terminal.shows(READY);
  });

  it('runs a command that was sent during an answer, behind it', async () => {
    const { terminal } = chat({ slow: true, flags: '-n 480 --backend reference' });
    await terminal.shows(READY);
    terminal.type('go');
    terminal.press('Enter');
    await terminal.shows(ANSWERING);
    terminal.type('/system Be brief.');
    terminal.press('Enter');
    await terminal.shows('next: /system Be brief.');
    terminal.press('Escape');
    await terminal.shows(/› \/system/);
    await terminal.shows('the system message is set');
    expect(terminal.screen()).not.toContain('next:');
  });

  it('completes commands, and files that are attached', async () => {
    const { terminal, folder, home } = chat({ flags: '-n 2' });
    writeFileSync(join(folder, 'notes.txt'), 'remember the milk\n');
    await terminal.shows(READY);
    terminal.type('/hist');
    await terminal.shows('list the turns of this branch');
    terminal.press('Tab', 'Enter');
    await terminal.shows('there are no messages yet');
    terminal.type('read @not');
    await terminal.shows('notes.txt');
    terminal.press('Tab', 'Enter');
    await terminal.shows('attached notes.txt, 1 lines');
    await terminal.shows(/2 tokens/);
    expect(JSON.stringify(lastSession(home))).toContain('remember the milk');
  });

  it('edits in $EDITOR', async () => {
    const folder = emptyFolder();
    const editor = join(folder, 'editor');
    writeFileSync(editor, `#!/bin/sh\ncat "$1" > '${folder}/seen'\nprintf "from the editor" > "$1"\n`);
    chmodSync(editor, 0o755);
    const { terminal } = chat({ env: { EDITOR: editor } });
    await terminal.shows(READY);
    terminal.type('a draft');
    terminal.press('C-g');
    await terminal.shows('› from the editor');
    expect(readFileSync(join(folder, 'seen'), 'utf8')).toContain('a draft');
    terminal.type(' and on');
    await terminal.shows('› from the editor and on');
  });

  it('suspends, and restores itself', async () => {
    const { terminal } = chat();
    await terminal.shows(READY);
    terminal.type('unsent');
    await terminal.shows('› unsent');
    terminal.press('C-z');
    await terminal.shows(/Stopped/);
    await expectCooked(terminal);
    terminal.type('fg');
    terminal.press('Enter');
    await terminal.shows(/› unsent\s*\n.*\/help/);
    terminal.type('!');
    await terminal.shows('› unsent!');
  });

  it('leaves after Ctrl-C twice, and restores the terminal', async () => {
    const { terminal } = chat();
    await terminal.shows(READY);
    terminal.type('something');
    await terminal.shows('› something');
    terminal.press('C-c');
    await terminal.shows(READY);
    terminal.press('C-c');
    await terminal.shows('press Ctrl-C again');
    terminal.press('C-c');
    await terminal.shows(/^\$$/m);
    terminal.type('echo code $?');
    terminal.press('Enter');
    await terminal.shows('code 0');
    await expectCooked(terminal);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ])('restores the terminal after %s in mid-answer, and keeps the answer', async (signal, code) => {
    const { terminal, home } = chat({ slow: true, flags: '-n 480 --backend reference' });
    await terminal.shows(READY);
    terminal.type('go');
    terminal.press('Enter');
    await terminal.shows(ANSWERING);
    execFileSync('pkill', [`-${signal}`, '-f', `chat -m ${TINY_MODEL} .*template.jinja.*backend reference`]);
    await terminal.shows(/^\$$/m);
    terminal.type('echo code $?');
    terminal.press('Enter');
    await terminal.shows(`code ${code}`);
    await expectCooked(terminal);
    expect(JSON.stringify(lastSession(home))).toMatch(/"finish":"aborted"/);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
  ])('restores the terminal after %s before the first frame', async (signal, code) => {
    const folder = emptyFolder();
    const early = join(folder, 'early.mjs');
    writeFileSync(
      early,
      `const { stdin } = process;
      const setRawMode = stdin.setRawMode.bind(stdin);
      stdin.setRawMode = (on) => {
        setRawMode(on);
        process.kill(process.pid, '${signal}');
        return stdin;
      };`,
    );
    const program = `${process.execPath} --import=${early} ${PROGRAM} chat -m ${TINY_MODEL}`;
    writeFileSync(join(folder, 'start.sh'), `${program}; echo code $?; ${COUNT_MODES}`);
    // An interactive shell would restore the terminal itself.
    const terminal = new Terminal('sh ./start.sh', { cwd: folder, env: { PERCEPT_HOME: emptyFolder() } });
    await terminal.shows(new RegExp(`code ${code}\\n3$`, 'm'));
  });

  it('restores the terminal after a crash, and reports it', async () => {
    const folder = emptyFolder();
    const crash = join(folder, 'crash.mjs');
    writeFileSync(crash, "setTimeout(() => { throw new Error('a planted fault'); }, 1500);\n");
    const { terminal } = chat({ env: { NODE_OPTIONS: `--import=${crash}` } });
    await terminal.shows('a planted fault', { history: true });
    await terminal.shows(/^\$$/m);
    await expectCooked(terminal);
  });

  it('keeps the conversation through a kill, and continues it', async () => {
    const home = emptyFolder();
    const first = chat({ home, slow: true, flags: '-n 480 --backend reference --seed 2047' });
    await first.terminal.shows(READY);
    first.terminal.type('remember this');
    first.terminal.press('Enter');
    await first.terminal.shows(ANSWERING);
    await sleep(800); // text is written every half second
    execFileSync('pkill', ['-KILL', '-f', `${TINY_MODEL}.*seed 2047`]);
    await first.terminal.shows('Killed');
    expect(JSON.stringify(lastSession(home))).toMatch(/broken-off/);
    const second = chat({ home, flags: '-c -n 4 --backend reference' });
    await second.terminal.shows('remember this', { history: true });
    await second.terminal.shows('interrupted');
  });

  it('continues with the model that answered last, whatever the settings are', async () => {
    const home = emptyFolder();
    const first = chat({ home, flags: '-n 4' });
    await first.terminal.shows(READY);
    first.terminal.type('hello');
    first.terminal.press('Enter');
    await first.terminal.shows(/4 tokens/);
    first.terminal.press('C-d');
    await first.terminal.shows('saved as');
    const folder = emptyFolder();
    writeFileSync(join(folder, 'template.jinja'), TEMPLATE);
    const env = { PERCEPT_HOME: home, PERCEPT_MODEL: 'smollm2', LANG: 'C.UTF-8' };
    const command = `${process.execPath} ${PROGRAM} chat -c --backend cpu --template template.jinja --no-pull`;
    const second = new Terminal(command, { cwd: folder, env });
    await second.shows('tiny-llama ·');
    await second.shows('› hello');
  });

  it.each([
    [40, 10],
    [20, 6],
    [120, 40],
  ])('fits a terminal of %i columns and %i rows, and no line is seen twice', async (columns, rows) => {
    const { terminal } = chat({ columns, rows, flags: '-n 60 -t 1 --seed 3' });
    await terminal.shows(/Ask anyth/);
    terminal.type('hello');
    terminal.press('Enter');
    await terminal.shows(/60 tokens/, { history: true });
    const lines = filled(terminal.screen({ history: true }));
    expect(lines.filter((line) => line.startsWith('› hello'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('60 tokens'))).toHaveLength(1);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
  });

  const SIZES = [
    [60, 20],
    [100, 30],
    [40, 12],
    [80, 24],
  ] as const;

  // tmux reports a size up to 250 ms late: always at the first interval, rarely at the last one.
  it.each([20, 90, 150, 300])(
    'resizes every %i ms while it answers, and the history is unchanged',
    async (pause) => {
      const { terminal } = chat({ slow: true, flags: '-n 60 --backend reference' });
      await terminal.shows(READY);
      terminal.type('hello');
      terminal.press('Enter');
      for (const [columns, rows] of SIZES) {
        terminal.resize(columns, rows);
        await sleep(pause);
      }
      await terminal.shows(/60 tokens/);
      await terminal.shows(READY);
      const lines = filled(terminal.screen({ history: true }));
      const count = (part: string) => lines.filter((line) => line.includes(part)).length;
      expect(['percept 0', '› hello', '60 tokens', READY].map(count)).toEqual([1, 1, 1, 1]);
    },
  );

  it('is drawn once if the terminal narrows while several rows are written', async () => {
    const { terminal } = chat();
    await terminal.shows(READY);
    terminal.type('words '.repeat(30));
    await terminal.shows(/(words.*\n.*){2}words/);
    terminal.resize(50, 24);
    await terminal.shows(/^› (words ){7}words\n( {2}(words ){7}words\n){2} {2}(words ){5}words$/m);
    expect(terminal.screen({ history: true }).match(/words/g)).toHaveLength(30);
  });

  it('leaves no copy of itself in the history when it is redrawn in the corner', async () => {
    const { terminal } = chat();
    await terminal.shows(READY);
    terminal.press('C-l');
    await terminal.shows(/^\n?› Ask anything/);
    terminal.resize(60, 20);
    terminal.type('words');
    await terminal.shows('› words');
    expect(terminal.screen({ history: true })).not.toContain(READY);
  });

  it('has no colour if colours are off', async () => {
    const { terminal } = chat({ env: { NO_COLOR: '1' }, flags: '-n 8' });
    await terminal.shows(READY);
    terminal.type('hello');
    terminal.press('Enter');
    await terminal.shows(/8 tokens/);
    await terminal.shows(/\/help$/m);
    expect(terminal.screen({ styled: true })).not.toContain('\x1b[');
  });

  it('uses only ASCII on request', async () => {
    const { terminal } = chat({ flags: '-n 8 --ascii -t 0' });
    await terminal.shows('/help');
    terminal.type('/help');
    terminal.press('Enter');
    await terminal.shows('Ctrl-D');
    const chrome = terminal.screen({ history: true });
    expect(chrome).toMatch(/^[\x00-\x7f]*$/);
  });

  it.each(['TERM=dumb', 'INK_SCREEN_READER=true'])('prints plain lines with %s', async (variable) => {
    const { terminal } = chat({ variable, flags: '-n 8' });
    await terminal.shows(/^>$/m);
    terminal.type('hello');
    terminal.press('Enter');
    await terminal.shows(/Answer: /);
    await terminal.shows(/^Answer: .*\n(.*\n)*>$/m);
    terminal.press('C-d');
    await terminal.shows(/^\$$/m);
  });

  it('does not start without a terminal', async () => {
    const { terminal, folder } = chat({ flags: '-n 4 < /dev/null > out; echo done' });
    await terminal.shows(/^done/m);
    expect(existsSync(join(folder, 'out'))).toBe(true);
    expect(readFileSync(join(folder, 'out'), 'utf8')).not.toContain('\x1b');
  });
});
