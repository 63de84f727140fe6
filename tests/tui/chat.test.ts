/** What users do in a chat: ask, edit, attach, continue. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { emptyFolder, PROGRAM, TINY_MODEL } from '../cli/percept.ts';
import { titled } from '../titled.ts';
import { ANSWERING, chat, expectCooked, lastSession, READY, TEMPLATE } from './chat.ts';
import { NO_TMUX, Terminal } from './tmux.ts';

describe.skipIf(NO_TMUX)(titled('percept chat in a terminal', NO_TMUX), () => {
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

  it('folds a long question, and shows all of it', async () => {
    const { terminal } = chat({ flags: '-n 4' });
    await terminal.shows(READY);
    terminal.paste(Array.from({ length: 30 }, (_, i) => `pasted ${i}`).join('\n'));
    await terminal.shows('[pasted #1, 30 lines]');
    terminal.press('Enter');
    await terminal.shows(/4 tokens/);
    const screen = terminal.screen({ history: true });
    expect(screen).toMatch(/pasted 7\n {2}22 more lines; Ctrl-O shows all/);
    expect(screen).not.toContain('pasted 8');
    terminal.press('C-o');
    await terminal.shows('pasted 29');
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

  it('lets one choose among several questions after Esc Esc; Esc changes nothing', async () => {
    const { terminal } = chat({ flags: '-n 2' });
    await terminal.shows(READY);
    for (const text of ['alpha', 'beta']) {
      terminal.type(text);
      terminal.press('Enter');
      await terminal.shows(new RegExp(`› ${text}[\\s\\S]*2 tokens[\\s\\S]*${READY}`));
    }
    terminal.press('Escape');
    await terminal.shows('Esc again edits a question');
    terminal.press('Escape');
    const list = await terminal.shows('Edit a question');
    expect(list).toMatch(/^ {2}1 {2}alpha\n▸ 2 {2}beta\n {2}Esc leave · Enter edit/m);
    terminal.press('Escape');
    await terminal.shows(READY);
    terminal.type('/edit');
    terminal.press('Enter');
    await terminal.shows('Edit a question');
    terminal.press('Up', 'Up', 'Up', 'Enter');
    await terminal.shows(/› alpha\n +editing a new version/);
  });

  it('opens the stored conversations with -r; keys that arrive together are a key each', async () => {
    const { terminal, home } = chat({ flags: '-n 2' });
    await terminal.shows(READY);
    for (const text of ['first things', 'second things']) {
      terminal.type('/clear\r');
      await terminal.shows(/new conversation ─+\s+› Ask anything/);
      terminal.type(`${text}\r`);
      await terminal.shows(new RegExp(`› ${text}[\\s\\S]*2 tokens[\\s\\S]*${READY}`));
    }
    terminal.type('/resume\r');
    await terminal.shows('Stored conversations');
    terminal.type('FIRST\r');
    await terminal.shows(/── first things ──[\s\S]*› first things[\s\S]*Ask anything/);
    terminal.press('C-d');
    await terminal.shows(/saved as/);
    const again = chat({ flags: '-n 2 -r', home, columns: 40, rows: 10 }).terminal;
    expect(await again.shows('Esc new chat')).toMatch(/▸ now {2}second things\n +now {2}first things/);
    again.press('Down', 'Down', 'Down', 'Enter');
    await again.shows(/› first things[\s\S]*Ask anything, \/help/);
    again.type('/load\r');
    await again.shows('Stored conversations');
    again.press('C-d');
    await again.shows(/^\$$/m);
    const early = chat({ flags: '-n 2 -r', home }).terminal;
    await early.shows(/^percept \d/m);
    early.type('SECOND\r'); // before the list is there
    expect(await early.shows(/Ask anything, \/help/)).toMatch(/› second things/);
    expect(early.screen()).not.toContain('SECOND');
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

  it('runs a command that was sent during an answer, after it', async () => {
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
    await terminal.shows('▸ notes.txt');
    terminal.press('Tab', 'Enter');
    await terminal.shows('attached notes.txt, 1 line');
    await terminal.shows(/2 tokens/);
    expect(JSON.stringify(lastSession(home))).toContain('remember the milk');
  });

  it('takes files of -f to the first question', async () => {
    const { terminal, folder, home } = chat({ flags: '-n 2 -f ./template.jinja' });
    await terminal.shows('attached ./template.jinja, 2 lines; goes with your first question');
    await terminal.shows(READY);
    mkdirSync(join(folder, 'src'));
    writeFileSync(join(folder, 'src/a.ts'), 'const a = 1;\n');
    terminal.type('read @sr');
    await terminal.shows('src/');
    terminal.press('Tab');
    await terminal.shows('all its text files');
    terminal.press('Enter');
    await terminal.shows('attached src/: 1 file, 1 line');
    await terminal.shows(/2 tokens/);
    const saved = JSON.stringify(lastSession(home));
    expect(saved).toContain('for m in messages');
    expect(saved).toContain('const a = 1;');
  });

  it('shows why it cannot begin with a file', async () => {
    const { terminal } = chat({ flags: '-f none.txt' });
    await terminal.shows(/^error: There is no file none\.txt\.$/m);
  });

  it('runs a command after !, and stops it', async () => {
    const { terminal, home } = chat({ flags: '-n 2' });
    await terminal.shows('Ask anything');
    terminal.type('!echo early'); // waits for the model, as a message does
    terminal.press('Enter');
    await terminal.shows(/^ {2}early\n {2}exit code 0; command and output go/m);
    terminal.type('!echo begun; sleep 60');
    terminal.press('Enter');
    await terminal.shows(/^ {2}begun$/m);
    terminal.press('Escape');
    await terminal.shows('stopped; command and output go with your next question');
    terminal.type('what is that?');
    terminal.press('Enter');
    await terminal.shows(/2 tokens/);
    expect(JSON.stringify(lastSession(home))).toMatch(/what is that\?.*echo early.*\(stopped\)/);
  });

  it('takes ! for text in a paste of several lines, and in an argument', async () => {
    const { terminal, home } = chat({ flags: '-n 2 \'!echo a""rgument\'' });
    await terminal.shows(/2 tokens/);
    terminal.paste('!echo pas""ted\nmore\n');
    await terminal.shows(/more/);
    terminal.press('Enter');
    await terminal.shows(/2 tokens[\s\S]*2 tokens/);
    expect(terminal.screen()).not.toMatch(/exit code|pasted|argument/);
    expect(JSON.stringify(lastSession(home))).toContain('!echo pas');
  });

  it('knows a paste of several lines in a terminal that does not bracket it', async () => {
    const { terminal, home } = chat({ flags: '-n 2' });
    await terminal.shows(READY);
    terminal.paste('!echo pas""ted\n!echo m""ore\n', { bracketed: false });
    await terminal.shows(/^› !echo pas""ted\n {2}!echo m""ore$/m);
    terminal.press('Enter');
    await terminal.shows(/2 tokens/);
    expect(terminal.screen()).not.toMatch(/exit code|pasted/);
    expect(lastSession(home).messages[0].content).toBe('!echo pas""ted\n!echo m""ore\n');
    terminal.paste('hello\n', { bracketed: false }); // as a program sends a line
    await terminal.shows(/› hello[\s\S]*2 tokens/);
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
});
