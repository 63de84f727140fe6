/** Draws a chat with Ink, on the primary screen: scrollback, selection and the wheel stay the user's. */
import { render } from 'ink';
import type { Dialogue, Frontend } from '../../chat/dialogue.ts';
import type { Pacer } from '../../chat/pacer.ts';
import type { Transcript } from '../../chat/transcript.ts';
import { hyperlinks, reflows } from '../../terminal/look.ts';
import type { Theme } from '../../terminal/theme.ts';
import { fileSource } from '../editor/files.ts';
import { PromptHistory } from '../editor/history.ts';
import { EditorModel } from '../editor/model.ts';
import { LiveRegion } from '../live-region.ts';
import { App } from './App.tsx';
import { ChatScreen } from './chat-screen.ts';
import { InkTerminal } from './ink-terminal.ts';
import { ScreenTranscript } from './screen-transcript.ts';
import { slashSource } from './slash-source.ts';

export interface ChatTuiOptions {
  readonly theme: Theme;
  readonly pacer: Pacer;
  /** What takes away that which stands for the first frame. */
  readonly erase: string;
  readonly historyPath: string;
  readonly debug: boolean;
  readonly create: (frontend: Frontend) => Dialogue;
  /** Has it load its model, once there is something to see; throws where it cannot even begin. */
  readonly begin: (dialogue: Dialogue) => Promise<void>;
  /** Sent at once. */
  readonly message?: string;
}

const WELCOME =
  'Nothing leaves this machine. Tab completes, Ctrl-J is a new line, Esc stops an answer, Ctrl-D leaves; /why shows where an answer looked.';

/** Settles when the user leaves, or a signal ends it; then with the code to exit with. */
export async function runChatTui(options: ChatTuiOptions): Promise<number> {
  const { theme, pacer, erase, debug, create, begin, message } = options;
  const { columns = 80, rows = 24 } = process.stdout;
  const region = new LiveRegion(process.stdout, { erase, reflows: reflows(process.env) });
  const links = hyperlinks(process.env);
  const { print } = region;
  const transcript = new ScreenTranscript({
    theme,
    columns,
    pacer,
    hyperlinks: links,
    debug,
    look: () => screen.state.get(),
    print,
  });
  const dialogue = create({
    transcript,
    wantsProbabilities: () => screen.state.get().colours,
    onUnsent: (text) => screen.giveBack(text),
  });
  const terminal = new InkTerminal(region);
  const editor = editorFor(options, transcript, () => screen);
  const screen = new ChatScreen({
    dialogue,
    transcript,
    editor,
    theme,
    surroundings: terminal,
    columns,
    rows,
  });
  const instance = render(<App screen={screen} region={region} onReady={terminal.attach} />, {
    stdout: region.stdout,
    debug: true, // frames as a whole
    interactive: true, // whoever calls has looked
    exitOnCtrlC: false,
    kittyKeyboard: { mode: 'auto' },
  });
  const ended = exitCodeOfSignals(terminal, () => instance.unmount());
  if (message) dialogue.say(message);
  await instance.waitUntilRenderFlush();
  let failure: unknown;
  Promise.all([begin(dialogue), transcript.prepare()]).then(
    () => {
      if (!dialogue.busy && dialogue.branch.path.length === 0)
        transcript.add({ kind: 'notice', text: WELCOME });
    },
    (error) => {
      failure = error;
      instance.unmount();
    },
  );
  await instance.waitUntilExit().finally(region.end);
  await dialogue.close();
  if (failure !== undefined) throw failure;
  const { id } = dialogue.keeper;
  if (id !== undefined) terminal.write(`${theme.dim(`  kept as ${id}; percept chat -c goes on with it`)}\n`);
  return ended();
}

/** @param screen made later, of this editor */
function editorFor(
  { historyPath }: ChatTuiOptions,
  transcript: Transcript,
  screen: () => ChatScreen,
): EditorModel {
  return new EditorModel({
    history: openHistory(historyPath, transcript),
    onSubmit: (text) => screen().submit(text),
    onExternalEditor: () => void screen().editExternally(),
    onProblem: (error) => transcript.add({ kind: 'error', error }),
    sources: [slashSource((line) => screen().complete(line)), fileSource(process.cwd())],
  });
}

const SIGNALS = { SIGTERM: 143, SIGHUP: 129, SIGINT: 130 } as const;

/** Has signals end the chat in order; the result gives the code of the one that did, 0 where none did. */
function exitCodeOfSignals(terminal: InkTerminal, end: () => void): () => number {
  let exitCode = 0;
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (signal === 'SIGINT' && terminal.away) return; // meant for the program that has the terminal
      exitCode = code;
      end();
    });
  }
  return () => exitCode;
}

/** That of this chat alone where the file is of no use, which is told. */
function openHistory(path: string, transcript: Transcript): PromptHistory {
  try {
    return PromptHistory.open(path);
  } catch (error) {
    transcript.add({ kind: 'error', error });
    return PromptHistory.open();
  }
}
