/**
 * A chat in plain lines, for screen readers and for terminals that cannot move their cursor. Nothing is redrawn, answers
 * are printed sentence by sentence, and line editing is the terminal's own.
 */
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, type Output } from '../output.ts';
import { formatBytes } from '../sizes.ts';
import { terminalText } from '../terminal/terminal-text.ts';
import { type Theme, themeOf } from '../terminal/theme.ts';
import type { Dialogue, Frontend } from './dialogue.ts';
import { LineScreen } from './line-screen.ts';
import { isShellLine, ShellLines } from './shell-lines.ts';
import { isCommand, runCommand, SLASH_COMMANDS } from './slash-commands/index.ts';
import type { Screen } from './slash-commands/slash-command.ts';
import type { Entry, Transcript } from './transcript.ts';

interface LineChatOptions {
  readonly create: (frontend: Frontend) => Dialogue;
  /** Starts loading the model. Throws if the chat cannot start. */
  readonly begin: (dialogue: Dialogue, screen: Screen) => Promise<void>;
  readonly message: string;
  readonly output: Output;
}

const PLAIN: Theme = themeOf({ color: 0, background: 'dark', ascii: true });

/** Longest time between two presses of Ctrl-C that exit. */
const TWICE_MS = 2000;

/** Settles when the user exits. */
export async function runLineChat({ create, begin, message, output }: LineChatOptions): Promise<void> {
  const lines = createInterface({ input: process.stdin, terminal: false });
  const transcript = new LineTranscript(output);
  const dialogue = create({ transcript });
  const shell = new ShellLines(dialogue);
  const screen = new LineScreen({
    print: (shown) => transcript.add({ kind: 'output', lines: shown }),
    prompt: () => transcript.prompt(),
    exit: () => lines.close(),
  });
  const context = { dialogue, screen, theme: PLAIN, commands: SLASH_COMMANDS };
  const say = (text: string) => {
    transcript.typed(text);
    if (isCommand(text)) void runCommand(context, text).then(promptWhenIdle);
    else dialogue.say(text);
  };
  const promptWhenIdle = () => {
    const { phase, queued } = dialogue.state.get();
    if (phase === 'idle' && queued.length === 0) transcript.prompt();
  };
  onIdle(dialogue, promptWhenIdle);
  stopOnInterrupt(dialogue, lines, transcript);
  let failure: unknown;
  begin(dialogue, screen).catch((error) => {
    failure = error;
    lines.close();
  });
  if (message) say(message);
  let joined = ''; // earlier lines of the message: each ended in a backslash
  for await (const { line, isPasted } of typedLines(lines)) {
    const whole = joined + line;
    joined = whole.endsWith('\\') ? `${whole.slice(0, -1)}\n` : '';
    if (joined === '' && screen.asks) {
      transcript.typed(whole);
      screen.take(whole);
      setImmediate(promptWhenIdle); // after what the answer begins
    } else if (joined === '' && isShellLine(whole) && !isPasted) {
      transcript.typed(whole);
      void shell.run(whole).then(promptWhenIdle);
    } else if (joined === '' && whole.trim() !== '') say(whole);
    else if (joined === '') {
      transcript.typed('');
      promptWhenIdle();
    }
  }
  transcript.leavePrompt();
  await dialogue.close();
  if (failure !== undefined) throw failure;
}

/** Lines with less time between them are those of a paste, ms. */
const PASTE_MS = 100;

/** The lines, each with whether another one came right before or after it. Only lines that may run wait for that. */
export async function* typedLines(
  lines: AsyncIterable<string>,
): AsyncGenerator<{ readonly line: string; readonly isPasted: boolean }> {
  const iterator = lines[Symbol.asyncIterator]();
  let next = iterator.next();
  let last = Number.NEGATIVE_INFINITY; // when the line before came
  for (;;) {
    const { value: line, done } = await next;
    if (done) return;
    const isClose = performance.now() - last < PASTE_MS;
    last = performance.now();
    next = iterator.next();
    const isFollowed = next.then(({ done }) => !done);
    const isPasted =
      isClose || (isShellLine(line) && (await Promise.race([isFollowed, sleep(PASTE_MS, false)])));
    yield { line, isPasted };
  }
}

/** Calls `listener` whenever the dialogue becomes idle. */
function onIdle(dialogue: Dialogue, listener: () => void): void {
  let busy = true;
  dialogue.state.subscribe(() => {
    if (busy && !dialogue.busy) listener();
    busy = dialogue.busy;
  });
}

/** Ctrl-C stops the answer. If nothing runs, pressing it twice exits. */
function stopOnInterrupt(dialogue: Dialogue, lines: Interface, transcript: LineTranscript): void {
  let last = Number.NEGATIVE_INFINITY;
  process.on('SIGINT', () => {
    if (dialogue.stoppable) return dialogue.stop();
    if (performance.now() - last < TWICE_MS) return lines.close();
    last = performance.now();
    transcript.add({ kind: 'notice', text: 'Press Ctrl-C again to exit.' });
    transcript.prompt();
  });
}

/** Text up to the end of the last whole sentence or line. */
const PAUSE = /[\s\S]*(?:[.!?…:;]["')\]]*\s|\n)/;

/** Prints every entry once, as plain text. */
export class LineTranscript implements Transcript {
  readonly #output: Pick<Output, 'print'>;
  #held = ''; // answer text after the last whole sentence
  #typed: string | undefined;
  #prompted = false; // the cursor is after a prompt

  constructor(output: Pick<Output, 'print'>) {
    this.#output = output;
  }

  /** The terminal has echoed what the user typed, so that it is not printed again. */
  typed(text: string): void {
    this.#typed = text;
    this.#prompted = false;
  }

  /** Prints the prompt, unless it is there already. */
  prompt(): void {
    if (!this.#prompted) void this.#output.print('> ');
    this.#prompted = true;
  }

  /** Moves from the prompt to a new line. */
  leavePrompt(): void {
    if (this.#prompted) void this.#output.print('\n');
    this.#prompted = false;
  }

  add(entry: Entry): void {
    const text = this.#textOf(entry);
    if (text === '') return;
    this.leavePrompt();
    void this.#output.print(text);
  }

  #textOf(entry: Entry): string {
    switch (entry.kind) {
      case 'model': {
        const { name, type, bytes, backend, device, contextLength } = entry.facts;
        return `${terminalText(name)}, ${type}, ${formatBytes(bytes)}, on ${backend} (${device}), context of ${contextLength} tokens. /help lists commands.\n`;
      }
      case 'user': {
        const known = this.#typed === entry.text;
        this.#typed = undefined;
        return known ? '' : `You: ${terminalText(entry.text)}\n`;
      }
      case 'command':
        return ''; // the terminal has echoed it
      case 'answer-begin':
        return entry.version ? `Answer ${entry.version.number} of ${entry.version.of}: ` : 'Answer: ';
      case 'answer-text':
        return this.#untilPause(entry.text);
      case 'answer-end': {
        const rest = terminalText(this.#held);
        this.#held = '';
        const { finish, completionTokens } = entry.origin;
        return `${rest}\n${finish === 'stop' ? '' : `(${finish}, after ${completionTokens} tokens)\n`}`;
      }
      case 'notice':
        return `${terminalText(entry.text)}\n`;
      case 'error': {
        const [message, ...more] = describeError(entry.error, { debug: false });
        return `${['Error: ', message, ...more.map((line) => `\n${line}`)].map(terminalText).join('')}\n`;
      }
      case 'output':
        return entry.lines.map((line) => `${line}\n`).join('');
      case 'cut':
        return `${terminalText(entry.title)}:\n`;
    }
  }

  #untilPause(text: string): string {
    this.#held += text;
    const [whole = ''] = PAUSE.exec(this.#held) ?? [];
    this.#held = this.#held.slice(whole.length);
    return terminalText(whole);
  }
}
