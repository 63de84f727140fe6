import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ShellLines } from '../../cli/chat/shell-lines.ts';
import { emptyFolder } from '../cli/percept.ts';
import { chat, command, composed, dialogue, entries, idle, say, store, unsent } from './dialogue.ts';

describe('what goes with the next question', () => {
  const question = () => dialogue.branch.path.findLast(({ role }) => role === 'user')!.content;
  const notices = () => entries.flatMap((entry) => (entry.kind === 'notice' ? entry.text : []));

  it('follows what the user writes, once', async () => {
    await chat();
    dialogue.enclose('a file', 'another');
    await say('hello');
    expect(question()).toBe('hello\n\na file\n\nanother');
    await say('again');
    expect(question()).toBe('again');
  });

  it('waits for a question that can be sent, and is dropped by /clear', async () => {
    await chat();
    dialogue.enclose('a file');
    await say('@nofile.txt');
    expect(unsent).toEqual(['@nofile.txt']);
    await say('hello');
    expect(question()).toBe('hello\n\na file');
    dialogue.enclose('another');
    await command('/clear');
    await say('hello');
    expect(question()).toBe('hello');
  });

  it('waits for the next question if one is too long for the context, and the hint says how to drop it', async () => {
    await chat();
    dialogue.enclose('a file');
    await say('word '.repeat(2000));
    expect(entries.at(-1)).toMatchObject({
      error: {
        kind: 'context',
        hint: expect.stringMatching(/goes with your next question; \/clear drops it/),
      },
    });
    await say('hello');
    expect(question()).toBe('hello\n\na file');
    await say('word '.repeat(2000));
    expect(entries.at(-1)).toMatchObject({ error: { hint: expect.not.stringContaining('/clear') } });
  });

  it('is a command of the user, with its output made visible, and its exit code', async () => {
    await chat();
    const shell = new ShellLines(dialogue);
    await shell.run("!printf 'a\\033[31mb\\n```\\n'; exit 3");
    const output = entries.flatMap((entry) => (entry.kind === 'output' ? entry.lines : [])); // may come in parts
    expect(output).toEqual(['a\u241b[31mb', '```']);
    expect(notices()).toEqual(['exit code 3; command and output go with your next question']);
    await say('why?');
    expect(question()).toMatch(
      /^why\?\n\nA command and its output \(exit code 3\):\n````console\n\$ printf /,
    );
    expect(question()).toMatch(/\nab\n```\n````$/);
  });

  it('is explained by ! alone', async () => {
    await chat();
    await new ShellLines(dialogue).run('!');
    expect(notices()).toEqual([expect.stringContaining('! runs a command in your shell')]);
  });

  it('is a command if its line waited, and only that line', async () => {
    await chat();
    const shell = new ShellLines(dialogue);
    const running = dialogue.work(() => sleep(20));
    dialogue.say('!exit 3'); // from elsewhere
    await shell.run('!exit 3');
    await shell.run('!exit 4');
    expect(dialogue.unqueue()).toBe('!exit 4');
    dialogue.say('!exit 4');
    await running;
    await idle();
    expect(notices()).toEqual(['exit code 3; command and output go with your next question']);
    const questions = dialogue.branch.path.filter(({ role }) => role === 'user');
    expect(questions.map(({ content }) => content.split('\n')[0])).toEqual(['!exit 3', '!exit 4']);
  });

  it('is no command that comes from elsewhere', async () => {
    await chat();
    await say('!exit 3');
    expect(question()).toBe('!exit 3');
    expect(notices()).toEqual([]);
  });
});

describe('a question that is written again', () => {
  const question = () => dialogue.branch.path.findLast(({ role }) => role === 'user')!.content;

  /** A question that names a file, which has a mention and a fence inside, and an output that goes with it. */
  async function asked() {
    const file = join(emptyFolder(), 'notes.md');
    writeFileSync(file, 'see @./none.md\n```\n');
    await chat();
    dialogue.enclose('an output');
    const typed = `about @${file}`;
    await say(typed);
    const fenced = ['````md', 'see @./none.md', '```', '````'].join('\n');
    return { file, typed, attached: `${file}:\n${fenced}\n\nan output` };
  }

  it('is what the user wrote, and its files are attached anew', async () => {
    const { file, typed, attached } = await asked();
    expect(question()).toBe(`${typed}\n\n${attached}`);
    await command('/edit');
    expect(composed!.text).toBe(typed);
    composed!.send!(`more ${typed}`);
    await idle();
    expect(question()).toBe(`more ${typed}\n\n${attached}`);
    await command('/edit without');
    expect(question()).toBe('without\n\nan output');
    await command(`/edit with @${file}`);
    expect(question()).toContain(attached);
    await command('/edit'); // a version of a version
    expect(composed!.text).toBe(`with @${file}`);
  });

  it('gives what went with it to the next question after /undo', async () => {
    const { typed, attached } = await asked();
    expect(await command('/undo')).toBe(
      'the last question and its answer are undone; what was attached goes with your next question',
    );
    expect(composed!.text).toBe(typed);
    await say(`more ${typed}`);
    expect(question()).toBe(`more ${typed}\n\n${attached}`);
    await say('again');
    await command('/undo');
    expect(entries.at(-1)).toEqual({ kind: 'notice', text: 'the last question and its answer are undone' });
  });

  it('leaves what went with it to the next question if it is too long now', async () => {
    await asked();
    await command(`/edit ${'word '.repeat(2000)}`);
    expect(dialogue.branch.path).toEqual([]);
    await say('hello');
    expect(question()).toBe('hello\n\nan output');
  });

  it('stays as it is on disk if it is from there and contains a fence', async () => {
    const { typed, attached } = await asked();
    await dialogue.resume(store.last()!);
    await command('/edit');
    expect(composed!.text).toBe(`${typed}\n\n${attached}`);
    composed!.send!(`more ${composed!.text}`);
    await idle();
    expect(question()).toBe(`more ${typed}\n\n${attached}`);
    await dialogue.resume(store.last()!);
    await command(`/edit ${typed}`);
    expect(question()).toContain('see @./none.md');
  });
});
