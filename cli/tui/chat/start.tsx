/** Draws a chat with Ink, on the primary screen: scrollback, selection and the wheel stay the user's. */
import { render, type useApp } from 'ink';
import type { Dialogue } from '../../chat/dialogue.ts';
import type { Pacer } from '../../chat/pacer.ts';
import type { Transcript } from '../../chat/transcript.ts';
import { hyperlinks } from '../../terminal-look.ts';
import { editExternally } from '../editor/external-editor.ts';
import { fileSource } from '../editor/files.ts';
import { PromptHistory } from '../editor/history.ts';
import { EditorModel } from '../editor/model.ts';
import { gatheredOutput } from '../gathered-output.ts';
import type { Theme } from '../theme.ts';
import { App } from './App.tsx';
import { ChatScreen, type Surroundings } from './chat-screen.ts';
import { ScreenTranscript } from './screen-transcript.ts';
import { slashSource } from './slash-source.ts';
import { suspendProcess } from './suspend-process.ts';

export interface ChatTuiOptions {
  readonly theme: Theme;
  readonly pacer: Pacer;
  readonly historyPath: string;
  readonly debug: boolean;
  readonly create: (transcript: Transcript) => Dialogue;
  /** Has it load its model, once there is something to see; throws where it cannot even begin. */
  readonly begin: (dialogue: Dialogue) => Promise<void>;
  /** Sent at once. */
  readonly message?: string;
}

const WELCOME =
  'Nothing leaves this machine. Tab completes, Ctrl-J is a new line, Esc stops an answer, Ctrl-D leaves; /why shows where an answer looked.';

/** Of what the user does; an answer comes in fewer (pace.ts). */
const FRAMES_A_SECOND = 30;

/** The whole screen, then one line down: where the live region began in the corner, tmux would keep a copy of it. */
const CLEAR = '\x1b[2J\x1b[H\n';

/** Settles when the user leaves, or a signal ends it; then with the code to exit with. */
export async function runChatTui(options: ChatTuiOptions): Promise<number> {
  const { theme, pacer, historyPath, debug, create, begin, message } = options;
  const { columns = 80, rows = 24 } = process.stdout;
  const transcript = new ScreenTranscript({
    theme,
    columns,
    pacer,
    hyperlinks: hyperlinks(process.env),
    debug,
  });
  const dialogue = create(transcript);
  let exitCode = 0;
  let app: ReturnType<typeof useApp> | undefined;
  let away = false; // another program has the terminal
  const suspend = async (work: () => void | Promise<void>) => {
    away = true;
    await app?.suspendTerminal(work);
    away = false;
  };
  const surroundings: Surroundings = {
    write: (data) => process.stdout.write(data),
    suspend: () => suspend(suspendProcess),
    editExternally: (text) => editExternally(text, { env: process.env, suspend }),
    redraw: () => void suspend(() => void process.stdout.write(CLEAR)),
    exit: () => app?.exit(),
  };
  const history = openHistory(historyPath, transcript);
  const editor = new EditorModel({
    history,
    onSubmit: (text) => screen.submit(text),
    onExternalEditor: () => void screen.editExternally(),
    onProblem: (error) => transcript.add({ kind: 'error', error }),
    sources: [slashSource((line) => screen.complete(line)), fileSource(process.cwd())],
  });
  const screen = new ChatScreen({ dialogue, transcript, editor, theme, surroundings, columns, rows });
  const instance = render(
    <App
      screen={screen}
      onReady={(ink) => {
        app = ink;
      }}
    />,
    {
      stdout: gatheredOutput(process.stdout),
      interactive: true, // whoever calls has looked
      exitOnCtrlC: false,
      incrementalRendering: true,
      maxFps: FRAMES_A_SECOND,
      kittyKeyboard: { mode: 'auto' },
    },
  );
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const) {
    process.on(signal, () => {
      if (signal === 'SIGINT' && away) return; // meant for the program that has the terminal
      exitCode = code;
      instance.unmount();
    });
  }
  if (message) dialogue.say(message);
  await instance.waitUntilRenderFlush();
  const begun = Promise.all([begin(dialogue), transcript.prepare()]);
  begun.then(
    () => {
      if (!dialogue.busy && dialogue.path.length === 0) transcript.add({ kind: 'notice', text: WELCOME });
    },
    () => instance.unmount(), // thrown below
  );
  await instance.waitUntilExit();
  await dialogue.close();
  await begun;
  if (dialogue.keeper.id !== undefined)
    process.stdout.write(
      `${theme.dim(`  kept as ${dialogue.keeper.id}; percept chat -c goes on with it`)}\n`,
    );
  return exitCode;
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
