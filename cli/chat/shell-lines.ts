/**
 * `!command` in a chat: the command runs in the user's shell, and it and its output go with the next question. Only a line
 * that the user typed runs, never a text of several lines, a file, or an argument.
 */
import { stripVTControlCharacters } from 'node:util';
import { terminalText } from '../terminal/terminal-text.ts';
import type { Dialogue } from './dialogue.ts';

/** One line that begins with !, except an image of Markdown. */
const SHELL_LINE = /^!(?!\[)[^\n]*$/;

const EXPLANATION =
  '! runs a command in your shell: !git diff. It and its output go with your next question. To send a message that begins with !, put a space before it.';

export function isShellLine(text: string): boolean {
  return SHELL_LINE.test(text);
}

/** The shell lines of one chat. */
export class ShellLines {
  readonly #dialogue: Dialogue;

  constructor(dialogue: Dialogue) {
    this.#dialogue = dialogue;
  }

  /** Runs a line that the user typed, as soon as nothing else runs. */
  async run(line: string): Promise<void> {
    if (!this.#dialogue.busy) return this.#run(line);
    this.#dialogue.say(line, () => this.#run(line));
  }

  async #run(line: string): Promise<void> {
    const dialogue = this.#dialogue;
    const command = line.slice(1).trim();
    dialogue.transcript.add({ kind: 'command', text: line });
    if (command === '') return dialogue.transcript.add({ kind: 'notice', text: EXPLANATION });
    await dialogue.work(async (signal) => {
      const { runInShell } = await import('./shell-command.ts');
      const shown = new ShownLines((lines) => dialogue.transcript.add({ kind: 'output', lines }));
      const { output, ending } = await runInShell(command, { signal, onText: (text) => shown.add(text) });
      shown.add(output.rest());
      shown.end();
      if (dialogue.closed) return;
      dialogue.enclose(await enclosure(command, output.text, ending));
      dialogue.transcript.add({
        kind: 'notice',
        text: `${ending}; command and output go with your next question`,
      });
    });
  }
}

/** The command and its output, as the model reads them. */
async function enclosure(command: string, output: string, ending: string): Promise<string> {
  const { fenced } = await import('../attachments/fence.ts');
  const text = stripVTControlCharacters(output).replace(/\r\n/g, '\n').replaceAll('\0', '');
  return `A command and its output (${ending}):\n${fenced(`$ ${command}\n${text}`, 'console')}`;
}

/** Prints whole lines, with control characters made visible. */
class ShownLines {
  readonly #print: (lines: readonly string[]) => void;
  #last = ''; // without its end so far

  constructor(print: (lines: readonly string[]) => void) {
    this.#print = print;
  }

  add(text: string): void {
    const lines = (this.#last + text).split('\n');
    this.#last = lines.pop()!;
    if (lines.length > 0) this.#print(lines.map(shownLine));
  }

  end(): void {
    if (this.#last !== '') this.#print([shownLine(this.#last)]);
  }
}

function shownLine(line: string): string {
  return terminalText(line.replace(/\r$/, '')).trimEnd();
}
