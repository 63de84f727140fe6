/** Continues a stored conversation from a shell: adds a question and its answer. */
import type { Message } from '../../core/chat-template.ts';
import { type AnswerOrigin, nextId, pathTo, type TreeMessage } from '../../core/conversation.ts';
import { directories } from '../../core/directories.ts';
import { lastingReference } from '../../core/models/reference.ts';
import {
  type AnswerWriter,
  openSessions,
  type SessionStore,
  type StoredSession,
} from '../../core/sessions/store.ts';
import type { AnswerPrinter } from '../answer/printer.ts';
import type { Settings } from '../arguments/settings.ts';
import { messagesOf, systemOf } from '../chat/messages.ts';
import type { Call } from '../command.ts';
import type { Output } from '../output.ts';
import { localTime } from './message-words.ts';
import { type Asker, endOf, type Known, newSession, orNote, type SavedSession } from './save.ts';

/**
 * The conversation that the options name, or the last one, or the first one ever.
 * @param asked an optional system message, then the question
 */
export async function continueSession(asked: readonly Message[], call: Asker): Promise<SavedSession> {
  const { settings, output } = call;
  const stored = await sessionOf(call);
  output.note(
    stored ? `Continuing ${inWords(stored)}` : 'There is no stored conversation yet: this one is the first.',
  );
  if (!stored) return newSession(asked, call);
  const { id: session, conversation } = stored;
  const model = modelFor(call, stored);
  const path = pathTo(conversation);
  const added = asMessages(wantedOf(asked, path, settings), path, nextId(conversation));
  return {
    ...{ session, model, messages: messagesOf([...path, ...added]) },
    saver: (known) => saverOf({ session, added, known: { ...known, model }, output }),
  };
}

async function sessionOf({ options }: Pick<Call, 'options'>): Promise<StoredSession | undefined> {
  const store = await openSessions(directories().sessions, { reads: true });
  try {
    return options.resume === undefined ? store.last() : store.read(options.resume);
  } finally {
    store.close();
  }
}

/** Its id, its age and its title, as the end of a sentence. */
function inWords({ id, title, updatedAt }: StoredSession): string {
  const line = title.replace(/\s+/g, ' ').trim();
  const short = line.length > 40 ? `${line.slice(0, 40).trimEnd()}...` : line;
  return `${id} of ${localTime(updatedAt)}: ${short}${/[.!?]$/.test(short) ? '' : '.'}`;
}

/** The model of the last answer, unless a flag names another. A file has its absolute path, for any folder. */
export function modelFor(
  { options, settings }: Pick<Call, 'options' | 'settings'>,
  stored: StoredSession | undefined,
): string {
  if (stored && settings.get('model')?.origin !== 'flag') {
    const answer = pathTo(stored.conversation).findLast(({ origin }) => origin !== undefined);
    return answer?.origin?.model ?? stored.model;
  }
  return lastingReference(options.model ?? '');
}

/** A system message is added only at the start, or if a flag changes it. */
function wantedOf(
  asked: readonly Message[],
  path: readonly TreeMessage[],
  settings: Settings,
): readonly Message[] {
  const changes = path.length === 0 || settings.get('system')?.origin === 'flag';
  return asked.filter(({ role, content }) => role !== 'system' || (changes && content !== systemOf(path)));
}

/** `asked` as messages of the tree, after `path`. */
function asMessages(
  asked: readonly Message[],
  path: readonly TreeMessage[],
  firstId: number,
): readonly TreeMessage[] {
  const createdAt = new Date().toISOString();
  return asked.map(({ role, content }, i) => ({
    id: firstId + i,
    parent: i === 0 ? path.at(-1)?.id : firstId + i - 1,
    role: role as TreeMessage['role'],
    content: content as string, // a prompt on the command line is text
    createdAt,
  }));
}

interface Saving {
  readonly session: string;
  readonly added: readonly TreeMessage[];
  readonly known: Known & Pick<AnswerOrigin, 'model'>;
  readonly output: Output;
}

/** The answer's text is on disk while it is generated. */
function saverOf({ session, added, known, output }: Saving): AnswerPrinter {
  let tokens = 0;
  let store: SessionStore | undefined;
  let answer: AnswerWriter | undefined;
  const begin = async () => {
    store = await openSessions(directories().sessions);
    for (const message of added) store.append(session, message);
    const parent = added.at(-1)!.id;
    const createdAt = new Date().toISOString();
    answer = store.begin(session, { id: parent + 1, parent, role: 'assistant', createdAt }, known);
  };
  return {
    async token(token) {
      if (tokens === 0) await orNote(output, begin);
      tokens++;
      answer?.text(token.text);
    },
    async end(result) {
      await orNote(output, () => answer?.end({ ...known, ...endOf(result, tokens) }));
      store?.close();
    },
  };
}
