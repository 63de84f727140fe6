/** percept chat: a terminal UI; plain lines if the terminal cannot draw one; a single answer if there is no terminal. */
import { join } from 'node:path';
import { directories } from '../../core/directories.ts';
import { openSessions, type SessionStore, type StoredSession } from '../../core/sessions/store.ts';
import { perceptVersion } from '../../core/version.ts';
import { UserError } from '../../errors.ts';
import { betterModelHint } from '../better-model.ts';
import { Dialogue, type Frontend } from '../chat/dialogue.ts';
import { framePace, Pacer } from '../chat/pacer.ts';
import { SessionKeeper } from '../chat/session-keeper.ts';
import type { Screen } from '../chat/slash-commands/slash-command.ts';
import type { Call } from '../command.ts';
import { readGreeting } from '../greeting.ts';
import { modelFor } from '../sessions/continue.ts';
import { stdinIsTerminal } from '../stdin.ts';
import { askBackground } from '../terminal/background.ts';
import { lookOf, wantsPlainLines } from '../terminal/look.ts';
import { themeOf } from '../terminal/theme.ts';

export async function chat(call: Call): Promise<void> {
  const { options, operands, output } = call;
  const { said, erase } = readGreeting();
  if (!stdinIsTerminal() || !process.stdout.isTTY || options.json || options.jsonl) {
    return (await import('./run.ts')).run(call);
  }
  const files = options.file ? await filesToEnclose(call, erase) : undefined;
  if (!said) await output.print(`percept ${perceptVersion()}\n`);
  const pacer = new Pacer(framePace());
  const common = {
    create(frontend: Frontend) {
      const dialogue = new Dialogue({ frontend, keeper: new SessionKeeper(), options, pacer });
      dialogue.enclose(...(files?.texts ?? []));
      return dialogue;
    },
    begin(dialogue: Dialogue, screen: Screen) {
      const hint = betterModelHint(call);
      for (const text of [...(hint ? [hint] : []), ...(files?.notices ?? [])])
        dialogue.transcript.add({ kind: 'notice', text });
      return begin(call, dialogue, screen);
    },
    message: operands.join(' '),
  };
  if (wantsPlainLines(options.screenReader)) {
    process.stdin.setRawMode(false); // the launcher may have turned it on
    await output.control(erase);
    const { runLineChat } = await import('../chat/line-mode.ts');
    return runLineChat({ ...common, output });
  }
  process.stdin.setRawMode(true);
  const [background, { runChatTui }] = await Promise.all([
    askBackground(process.stdin, process.stdout),
    import('../tui/chat/start.tsx'),
  ]);
  const assumed = lookOf(process.stdout, { noColor: options.noColor, ascii: options.ascii });
  const theme = themeOf({ ...assumed, background: background ?? assumed.background });
  const historyPath = join(directories().state, 'history.jsonl');
  const debug = options.debug ?? false;
  const beginsWithList = options.resume === '';
  process.exitCode = await runChatTui({ ...common, pacer, erase, theme, historyPath, debug, beginsWithList });
}

/** What --file adds to the first question. An error erases the placeholder of the first frame. */
async function filesToEnclose({ options, operands, output }: Call, erase: string) {
  const { attachmentWords } = await import('../attachments/attached-files.ts');
  const { readFiles, readsStdin } = await import('../attachments/file-option.ts');
  const read = async () => {
    if (readsStdin(options)) throw terminalAsFile();
    return readFiles(options);
  };
  const { texts, attachments } = await read().catch(async (error) => {
    await output.control(erase);
    throw error;
  });
  const receiver = operands.length > 0 ? '' : '; goes with your first question';
  return { texts, notices: attachments.map((each) => `attached ${attachmentWords(each)}${receiver}`) };
}

function terminalAsFile(): UserError {
  return new UserError(
    '-f - reads stdin, which is the terminal that the chat is on.',
    'Give a file instead.',
    {
      kind: 'usage',
    },
  );
}

/** Opens the stored sessions, resumes one if the options name it, and loads the model. */
async function begin(call: Call, dialogue: Dialogue, screen: Screen): Promise<void> {
  const { options } = call;
  const store = await sessionsOf(call, dialogue);
  if (store && !options.noSave) dialogue.keeper.open(store);
  const resumed = store && (await sessionToResume(store, call, screen));
  if (resumed) await dialogue.resume(resumed);
  await dialogue.load(modelFor(call, resumed), options.backend);
}

/** Undefined with --no-save, and if the file cannot be opened: then a notice says so and the chat works without it. */
async function sessionsOf({ options }: Call, { transcript }: Dialogue): Promise<SessionStore | undefined> {
  const resumes = options.continue || options.resume !== undefined;
  if (options.noSave && !resumes) return undefined;
  try {
    return await openSessions(directories().sessions);
  } catch (error) {
    if (resumes || !(error instanceof UserError)) throw error;
    transcript.add({ kind: 'notice', text: `this conversation is not saved: ${error.message}` });
    return undefined;
  }
}

/** The session that the options name, or that the user chooses. Throws UserError if it does not exist. */
async function sessionToResume(
  store: SessionStore,
  { options }: Call,
  screen: Screen,
): Promise<StoredSession | undefined> {
  const { resume } = options;
  if (resume) return store.read(resume);
  if (resume === undefined && !options.continue) return undefined;
  const last = store.last();
  if (!last) throw noneYet();
  if (resume === undefined) return last;
  const { sessionList } = await import('../sessions/choose.ts');
  const chosen = await screen.choose(sessionList(store, { leaving: 'new chat' })!);
  return chosen && store.read(chosen.value);
}

function noneYet(): UserError {
  return new UserError('There is no saved conversation to continue yet.', 'Start one: percept chat', {
    kind: 'usage',
  });
}
