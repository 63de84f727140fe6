/** Runs a chat in Ink on the primary screen: scrollback, selection and mouse wheel work as usual. */
import { render } from 'ink';
import type { Dialogue, Frontend } from '../../chat/dialogue.ts';
import type { Pacer } from '../../chat/pacer.ts';
import type { Screen } from '../../chat/slash-commands/slash-command.ts';
import type { Transcript } from '../../chat/transcript.ts';
import { SIGNAL_EXIT_CODES } from '../../signals.ts';
import { LiveRegion } from '../../terminal/live-region.ts';
import { hyperlinks, reflows } from '../../terminal/look.ts';
import type { Theme } from '../../terminal/theme.ts';
import { fileSource } from '../editor/files.ts';
import { PromptHistory } from '../editor/history.ts';
import { EditorModel } from '../editor/model.ts';
import { App } from './App.tsx';
import { ChatScreen } from './chat-screen.ts';
import { InkTerminal } from './ink-terminal.ts';
import { ScreenTranscript } from './screen-transcript.ts';
import { slashSource } from './slash-source.ts';

export interface ChatTuiOptions {
  readonly theme: Theme;
  readonly pacer: Pacer;
  /** Escape sequence that erases the launcher's placeholder for the first frame. */
  readonly erase: string;
  readonly historyPath: string;
  readonly debug: boolean;
  readonly create: (frontend: Frontend) => Dialogue;
  /** Starts loading the model, after the first frame. Throws if the chat cannot start. */
  readonly begin: (dialogue: Dialogue, screen: Screen) => Promise<void>;
  /** The first message. */
  readonly message?: string;
  /** `begin` lets the user choose before anything else. */
  readonly beginsWithList?: boolean;
}

const WELCOME =
  'Nothing leaves this machine. Try: Explain rainbows to a child. Or ask about a file: What matters in @notes.txt?\n' +
  'Tab completes, Ctrl-J starts a new line, Esc stops an answer, Ctrl-D exits; /why shows what an answer attends to.';

/** Settles with the exit code when the user exits or a signal ends the chat. */
export async function runChatTui(options: ChatTuiOptions): Promise<number> {
  const { theme, erase, message } = options;
  const region = new LiveRegion(process.stdout, { erase, reflows: reflows(process.env) });
  const terminal = new InkTerminal(region);
  const { history, problem } = openHistory(options.historyPath);
  const screen = screenOn(region, { options, terminal, history });
  const { dialogue, transcript } = screen;
  const instance = render(<App screen={screen} region={region} onReady={terminal.attach} />, {
    stdout: region.stdout,
    debug: true, // frames as a whole
    interactive: true, // the caller has checked that there is a terminal
    exitOnCtrlC: false,
    kittyKeyboard: { mode: 'auto' },
  });
  const ended = exitCodeOfSignals(terminal, () => instance.unmount());
  process.on('SIGTSTP', () => void terminal.suspend()); // from outside; Ctrl-Z is a key
  if (problem !== undefined) transcript.add({ kind: 'error', error: problem });
  if (message) dialogue.say(message, screen.commandIn(message));
  await instance.waitUntilRenderFlush();
  let failure: unknown;
  begin(screen, options).catch((error) => {
    failure = error;
    instance.unmount();
  });
  await instance.waitUntilExit().finally(async () => {
    try {
      await dialogue.close(); // an answer that is stopped goes to the scrollback
    } finally {
      if (ended() !== SIGNAL_EXIT_CODES.SIGHUP) region.leave(); // after SIGHUP the shell may have written below
      region.end();
    }
  });
  if (failure !== undefined) throw failure;
  const { id, problem: unsaved } = dialogue.keeper;
  if (id !== undefined && !unsaved)
    terminal.write(`${theme.dim(`  saved as ${id}; percept chat -c continues it`)}\n`);
  return ended();
}

interface ScreenParts {
  readonly options: ChatTuiOptions;
  readonly terminal: InkTerminal;
  readonly history: PromptHistory;
}

/** The screen with its dialogue, transcript and editor. They call one another, but only once all are there. */
function screenOn({ print }: LiveRegion, { options, terminal, history }: ScreenParts): ChatScreen {
  const { theme, pacer, debug, create, beginsWithList } = options;
  const { columns = 80, rows = 24 } = process.stdout;
  const transcript = new ScreenTranscript({
    theme,
    columns,
    pacer,
    hyperlinks: hyperlinks(process.env),
    debug,
    look: () => screen.state.get(),
    print,
  });
  const dialogue = create({
    transcript,
    wantsProbabilities: () => screen.state.get().colours,
    onUnsent: (text) => screen.giveBack(text),
  });
  const editor = editorFor(history, transcript, () => screen);
  const screen = new ChatScreen({
    dialogue,
    transcript,
    editor,
    theme,
    surroundings: terminal,
    columns,
    rows,
    beginsWithList,
  });
  return screen;
}

/** Begins the chat, and welcomes the user if it is empty. */
async function begin(screen: ChatScreen, options: ChatTuiOptions): Promise<void> {
  const { dialogue, transcript } = screen;
  await Promise.all([options.begin(dialogue, screen), transcript.prepare()]);
  if (!dialogue.busy && dialogue.branch.path.length === 0) transcript.add({ kind: 'notice', text: WELCOME });
}

/** @param screen called later: the screen needs the editor first */
function editorFor(history: PromptHistory, transcript: Transcript, screen: () => ChatScreen): EditorModel {
  return new EditorModel({
    history,
    onSubmit: (text) => screen().submit(text),
    onExternalEditor: () => void screen().editExternally(),
    onProblem: (error) => transcript.add({ kind: 'error', error }),
    sources: [slashSource((line) => screen().complete(line)), fileSource(process.cwd())],
  });
}

/** Makes signals end the chat normally. The result returns the exit code: that of the signal, or 0. */
function exitCodeOfSignals(terminal: InkTerminal, end: () => void): () => number {
  let exitCode = 0;
  for (const [signal, code] of Object.entries(SIGNAL_EXIT_CODES)) {
    process.on(signal, () => {
      if (signal === 'SIGINT' && terminal.away) return; // for the program that has the terminal
      exitCode = code;
      end();
    });
  }
  return () => exitCode;
}

/** If the file cannot be read, the history is that of this chat only. */
function openHistory(path: string): { history: PromptHistory; problem?: unknown } {
  try {
    return { history: PromptHistory.open(path) };
  } catch (problem) {
    return { history: PromptHistory.open(), problem };
  }
}
