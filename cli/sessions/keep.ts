/** Continues a stored conversation from a shell: adds a question and its answer. */
import type { Message } from '../../core/chat-template.ts';
import {
  type AnswerOrigin,
  EMPTY_CONVERSATION,
  nextId,
  pathTo,
  type TreeMessage,
} from '../../core/conversation.ts';
import { directories } from '../../core/directories.ts';
import type { GenerateResult } from '../../core/generate.ts';
import { lastingReference } from '../../core/models/reference.ts';
import { openSessions, type SessionStore, type StoredSession } from '../../core/sessions/store.ts';
import type { AnswerPrinter } from '../answer.ts';
import type { Settings } from '../arguments/settings.ts';
import { messagesOf, systemOf } from '../chat/messages.ts';
import type { Call } from '../command.ts';
import { localTime } from './message-words.ts';

/** Facts about an answer that are known before its first token. */
export type Known = Pick<AnswerOrigin, 'backend' | 'seed' | 'promptTokens'>;

export interface Continuation {
  readonly session: string; // its id
  /** Reference of the model that answers. */
  readonly model: string;
  /** The current branch, then the new question. */
  readonly messages: readonly Message[];
  /** A printer that also stores the answer in the session. Stores nothing if no token is generated. */
  keeping(printer: AnswerPrinter, known: Known): AnswerPrinter;
  close(): void;
}

/**
 * Opens the session that the options name, or creates the first one.
 * @param asked an optional system message, then the question
 */
export async function continueSession(
  asked: readonly Message[],
  { options, settings, output }: Pick<Call, 'options' | 'settings' | 'output'>,
): Promise<Continuation> {
  const store = await openSessions(directories().sessions);
  try {
    const stored = options.resume === undefined ? store.last() : store.read(options.resume);
    output.note(
      stored
        ? `Continuing ${inWords(stored)}.`
        : 'There is no stored conversation yet: this one is the first.',
    );
    const model = modelFor({ options, settings }, stored);
    const session = stored?.id ?? store.create({ model });
    const path = pathTo(stored?.conversation ?? EMPTY_CONVERSATION);
    const added = addedTo(path, asked, settings, nextId(stored?.conversation ?? EMPTY_CONVERSATION));
    return {
      ...{ session, model },
      messages: messagesOf([...path, ...added]),
      keeping: (printer, known) => keeping(printer, { store, session, added, known: { ...known, model } }),
      close: () => store.close(),
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

/** Its id, its age and its title. */
function inWords({ id, title, updatedAt }: StoredSession): string {
  const line = title.replace(/\s+/g, ' ').trim();
  const short = line.length > 40 ? `${line.slice(0, 40).trimEnd()}...` : line;
  return `${id} of ${localTime(updatedAt)}: ${short}`;
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

/** `asked` as messages of the tree. A system message is added only at the start, or if a flag changes it. */
function addedTo(
  path: readonly TreeMessage[],
  asked: readonly Message[],
  settings: Settings,
  firstId: number,
): readonly TreeMessage[] {
  const changes = path.length === 0 || settings.get('system')?.origin === 'flag';
  const wanted = asked.filter(
    ({ role, content }) => role !== 'system' || (changes && content !== systemOf(path)),
  );
  const createdAt = new Date().toISOString();
  return wanted.map(({ role, content }, i) => ({
    id: firstId + i,
    parent: i === 0 ? path.at(-1)?.id : firstId + i - 1,
    role: role as TreeMessage['role'],
    content: content as string, // a prompt on the command line is text
    createdAt,
  }));
}

interface Kept {
  readonly store: SessionStore;
  readonly session: string;
  readonly added: readonly TreeMessage[];
  readonly known: Known & Pick<AnswerOrigin, 'model'>;
}

function keeping(printer: AnswerPrinter, { store, session, added, known }: Kept): AnswerPrinter {
  let tokens = 0;
  const begin = () => {
    for (const message of added) store.append(session, message);
    const parent = added.at(-1)!.id;
    const createdAt = new Date().toISOString();
    return store.begin(session, { id: parent + 1, parent, role: 'assistant', createdAt }, known);
  };
  let answer: ReturnType<typeof begin> | undefined;
  return {
    async token(token) {
      answer ??= begin();
      answer.text(token.text);
      tokens++;
      await printer.token(token);
    },
    async end(result) {
      await printer.end(result);
      answer?.end({ ...known, ...endOf(result, tokens) });
    },
  };
}

/** Without a result, generation failed. */
function endOf(result: GenerateResult | undefined, tokens: number): Omit<AnswerOrigin, keyof Kept['known']> {
  if (!result)
    return { finish: 'error', completionTokens: tokens, cachedTokens: 0, prefillMs: 0, decodeMs: 0 };
  const { finishReason, stoppedBy, usage, timings } = result;
  return {
    finish: finishReason,
    stoppedBy,
    completionTokens: usage.completionTokens,
    cachedTokens: usage.cachedTokens,
    prefillMs: timings.prefillMs,
    decodeMs: timings.decodeMs,
  };
}
