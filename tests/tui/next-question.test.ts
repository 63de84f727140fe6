import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ShellLines } from '../../cli/chat/shell-lines.ts';
import { chat, command, dialogue, entries, idle, say, unsent } from './dialogue.ts';

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
