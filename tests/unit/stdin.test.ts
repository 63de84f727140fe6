import { describe, expect, it } from 'vitest';
import type { OpenFile, Process } from '../../cli/processes.ts';
import { chooseStdin, isShellsPipe, type SharingShell, type Writer } from '../../cli/stdin.ts';

const PROMPT = { wanted: 'if there', hasPrompt: true } as const;

function process(command: string, more: Partial<Process> = {}): Process {
  return { pid: 1, parent: 0, group: 1, session: 1, isCopy: false, command: command.split(' '), ...more };
}

function shell(command: string, { kept = [], ...more }: Partial<SharingShell> = {}): SharingShell {
  return { process: process(command), started: process('percept hi'), sharesPosition: true, kept, ...more };
}

function file(target: string, more: Partial<OpenFile> = {}): OpenFile {
  return { target, position: 0, readable: true, writable: false, ...more };
}

describe('the choice', () => {
  it.each([
    ['a terminal', 'terminal', 'leave'],
    ['a file', 'file', 'read'],
    ['a pipe', 'pipe', 'listen'],
    ['a socket', 'socket', 'listen'],
    ['a folder', 'folder', 'leave'],
    ['nothing that is open', 'none', 'leave'],
  ] as const)('for %s beside a prompt', (_, kind, choice) => {
    expect(chooseStdin(PROMPT, kind, [])).toBe(choice);
    expect(chooseStdin({ ...PROMPT, wanted: 'always' }, kind, [shell('bash')])).toBe('read');
    expect(chooseStdin({ ...PROMPT, wanted: 'never' }, kind, [])).toBe('leave');
  });

  it.each(['file', 'pipe', 'socket'] as const)('reads a %s where there is no prompt', (kind) => {
    expect(chooseStdin({ ...PROMPT, hasPrompt: false }, kind, [])).toBe('read');
    expect(chooseStdin({ ...PROMPT, hasPrompt: false }, kind, [shell('bash')])).toBe('leave');
  });
});

describe('the script of a shell', () => {
  const isLeft = (...shells: SharingShell[]) => chooseStdin(PROMPT, 'pipe', shells) === 'leave';

  it.each([
    ['bash', true],
    ['-bash', true],
    ['/bin/sh -ex', true],
    ['bash -s one two', true],
    ['bash -o pipefail', true],
    ['bash --rcfile file', true],
    ['bash --norc -', true],
    ['zsh /dev/stdin', true],
    ['bash script.sh', false],
    ['bash -c commands', false],
    ['sh -ec commands', false],
    ['bash -o pipefail script.sh', false],
    ['bash -- script.sh', false],
  ])('on stdin of %j: %s', (command, expected) => {
    expect(isLeft(shell(command))).toBe(expected);
  });

  it('is not what is piped to its subshell, nor another opening of the same file', () => {
    expect(isLeft(shell('bash', { process: process('bash', { isCopy: true }) }))).toBe(false);
    expect(isLeft(shell('bash', { sharesPosition: false }))).toBe(false);
    expect(isLeft(shell('bash', { sharesPosition: false }), shell('bash'))).toBe(true);
  });

  it('is elsewhere if the shell keeps another file to read', () => {
    expect(isLeft(shell('bash', { kept: [file('/home/me/script.sh')] }))).toBe(false);
    expect(isLeft(shell('bash', { kept: [file('pipe:[7]')] }))).toBe(false);
    expect(isLeft(shell('bash', { kept: [file('/home/me/log', { readable: false })] }))).toBe(true);
    expect(isLeft(shell('bash', { kept: [file('/dev/null')] }))).toBe(true);
    expect(isLeft(shell('zsh', { kept: [file('pipe:[7]')] }))).toBe(true);
  });

  it('is the terminal if the shell is interactive: then jobs have groups of their own', () => {
    const kept = [file('/dev/pts/3')];
    expect(isLeft(shell('bash', { kept, started: process('percept hi', { group: 9 }) }))).toBe(false);
    expect(isLeft(shell('bash', { kept }))).toBe(true);
  });
});

describe('a silent pipe', () => {
  const starter: Writer = { isAncestor: true, isShell: false, readsIt: false };

  it('is waited for if it is a shell that writes, or one of its jobs', () => {
    expect(isShellsPipe([{ ...starter, isAncestor: false }], 0)).toBe(true);
    expect(isShellsPipe([starter, { ...starter, isAncestor: false }], 0)).toBe(true);
    expect(isShellsPipe([{ ...starter, isShell: true }], 0)).toBe(true); // > >(percept hi)
    expect(isShellsPipe([], 1)).toBe(true); // sudo cat file | percept hi
  });

  it('is not waited for if only its starter can write, or a shell in between that has inherited both ends', () => {
    expect(isShellsPipe([starter], 3)).toBe(false);
    expect(isShellsPipe([starter, { ...starter, isShell: true, readsIt: true }], 0)).toBe(false);
    expect(isShellsPipe([], 0)).toBe(false);
  });
});
