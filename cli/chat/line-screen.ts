/** What slash commands need from a screen, in plain lines: a numbered list, and a question for the next line. */
import { type Choice, type ChoiceList, matching, onOneLine } from './choices.ts';
import type { Screen } from './slash-commands/slash-command.ts';

/** Entries of a list that are printed. */
const MOST_ENTRIES = 20;

interface LineScreenOptions {
  readonly print: (lines: readonly string[]) => void;
  readonly prompt: () => void;
  readonly exit: () => void;
}

export class LineScreen implements Screen {
  readonly exit: () => void;
  readonly #print: LineScreenOptions['print'];
  readonly #prompt: LineScreenOptions['prompt'];
  #asked: ((line: string) => void) | undefined; // receives the next line instead of the chat

  constructor({ print, prompt, exit }: LineScreenOptions) {
    this.#print = print;
    this.#prompt = prompt;
    this.exit = exit;
  }

  get columns(): number {
    return process.stdout.columns ?? 80;
  }

  /** Whether the next line answers a question of this screen. */
  get asks(): boolean {
    return this.#asked !== undefined;
  }

  /** Takes a line that was asked for. */
  take(line: string): void {
    const asked = this.#asked!;
    this.#asked = undefined;
    asked(line.trim());
  }

  choose(list: ChoiceList): Promise<Choice | undefined> {
    return new Promise((resolve) => this.#offer(list, list.choices, resolve));
  }

  compose(text: string, send?: (text: string) => void): boolean {
    if (!send) return false; // there is no editor for a text that may be sent later
    this.#print([`The question was: ${onOneLine(text)}`, 'Type the new one, or an empty line to leave it.']);
    this.#ask((line) => {
      if (line !== '') send(line);
    });
    return true;
  }

  copy(): boolean {
    return false;
  }

  clear(): void {}

  inspect(): boolean {
    return false;
  }

  #ask(asked: (line: string) => void): void {
    this.#asked = asked;
    this.#prompt();
  }

  /** Prints the entries, and asks until there is a choice or an empty line. Words leave the entries that contain them. */
  #offer(list: ChoiceList, found: readonly Choice[], end: (choice: Choice | undefined) => void): void {
    const shown = found.slice(0, MOST_ENTRIES);
    const more = found.length - shown.length;
    this.#print([
      `${list.title}:`,
      ...shown.map(entryLine),
      ...(more > 0 ? [`and ${more} more`] : []),
      `Number: ${list.taking}. Words: filter. Empty line: ${list.leaving}.`,
    ]);
    this.#ask((line) => {
      if (line === '') return end(undefined);
      if (/^\d+$/.test(line)) {
        const choice = shown[Number(line) - 1];
        if (choice) return end(choice);
        this.#print([`Expected a number from 1 to ${shown.length}, got ${onOneLine(line)}.`]);
        return this.#offer(list, found, end);
      }
      const matches = matching(list.choices, line);
      if (matches.length === 0) this.#print([`Nothing contains "${onOneLine(line)}".`]);
      this.#offer(list, matches.length === 0 ? found : matches, end);
    });
  }
}

function entryLine({ before, text, after, current }: Choice, i: number): string {
  const facts = [before, ...after].filter((cell) => cell !== undefined && cell !== '' && cell !== `${i + 1}`);
  const said = [onOneLine(text), ...facts.map((cell) => onOneLine(cell!)), ...(current ? ['in use'] : [])];
  return `${i + 1}. ${said.join(', ')}`;
}
