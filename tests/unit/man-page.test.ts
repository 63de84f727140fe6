import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { optionsOf } from '../../cli/arguments/arguments.ts';
import { manPage } from '../../cli/arguments/man-page.ts';
import { COMMANDS } from '../../cli/commands/index.ts';

const PAGE = manPage(COMMANDS, '1.2.3');

it('the manual page has every command, option and exit code', () => {
  const plain = PAGE.replaceAll('\\-', '-');
  for (const command of COMMANDS) {
    expect(plain).toContain(command.summary);
    for (const option of optionsOf(command)) expect(plain).toContain(`--${option}`);
  }
  expect(plain).toMatch(/^\.SH EXIT STATUS\n\.TP\n\.B 0\n/m);
});

it('its lines are text or known requests', () => {
  for (const line of PAGE.split('\n')) {
    if (/^[.']/.test(line)) expect(line).toMatch(/^\.(TH|SH|SS|TP|B|PP|br)( |$)/);
    expect(line).not.toMatch(/\\(?![-e&(])/);
  }
});

it('commands are in their groups, and no section ends in a break', () => {
  expect(PAGE).toMatch(/^\.SS Everyday\n\.TP\n\.B run .*\n.*\n\.TP\n\.B chat /m);
  expect(PAGE).toMatch(/^\.SS Models\n\.TP\n\.B pull REF$/m);
  expect(PAGE).not.toMatch(/^\.br\n\./m);
});

const HAS_GROFF = spawnSync('groff', ['--version']).status === 0;

it.skipIf(!HAS_GROFF)(`groff renders it without a warning${HAS_GROFF ? '' : ' (skipped: no groff)'}`, () => {
  const { stdout, stderr, status } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-P-cbou'], {
    input: PAGE,
    encoding: 'utf8',
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  expect(stdout).toMatch(/percept . run language models in the terminal/);
});
