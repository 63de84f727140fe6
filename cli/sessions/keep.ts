/** Keeps questions from a shell and their answers: in a conversation of their own, or in one that they continue. */
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
import { newSessionId } from '../../core/sessions/session-id.ts';
import {
  type AnswerWriter,
  openSessions,
  type SessionStore,
  type StoredSession,
} from '../../core/sessions/store.ts';
import { UserError } from '../../errors.ts';
import type { AnswerPrinter } from '../answer.ts';
import type { Settings } from '../arguments/settings.ts';
import { messagesOf, systemOf } from '../chat/messages.ts';
import type { Call } from '../command.ts';
import type { Output } from '../output.ts';
import { localTime } from './message-words.ts';

/** Facts about an answer that are known before its first token. */
export type Known = Pick<AnswerOrigin, 'backend' | 'seed' | 'promptTokens'>;

/** A conversation that gets a question and its answer. */
export interface Kept {
  readonly session: string; // its id
  /** Reference of the model that answers. */
  readonly model: string;
  /** The current branch, then the new question. */
  readonly messages: readonly Message[];
  /**
   * A printer that also stores question and answer. Stores nothing if no token is generated. A store that fails ends
   * the storing with a note, and not the answer.
   */
  keeping(printer: AnswerPrinter, known: Known): AnswerPrinter;
  close(): void;
}

type Asker = Pick<Call, 'options' | 'settings' | 'output'>;

/** A new conversation. Its file is opened behind the first token, so that the answer does not wait. */
export function newSession(asked: readonly Message[], { options, output }: Asker): Kept {
  const session = newSessionId();
  const model = lastingReference(options.model ?? '');
  const added = asMessages(asked, [], 1);
  let store: SessionStore | undefined;
  const open = async () => {
    store = await openSessions(directories().sessions);
    store.create({ id: session, model });
    return store;
  };
  return {
    ...{ session, model, messages: asked },
    keeping: (printer, known) =>
      keeping(printer, { open, session, added, known: { ...known, model }, output }),
    close: () => store?.close(),
  };
}

/**
 * The conversation that the options name, or the last one, or the first one ever.
 * @param asked an optional system message, then the question
 */
export async function continueSession(asked: readonly Message[], call: Asker): Promise<Kept> {
  const { options, settings, output } = call;
  const store = await openSessions(directories().sessions);
  try {
    const stored = options.resume === undefined ? store.last() : store.read(options.resume);
    output.note(
      stored
        ? `Continuing ${inWords(stored)}.`
        : 'There is no stored conversation yet: this one is the first.',
    );
    const model = modelFor({ options, settings }, stored);
    const session = stored?.id ?? newSessionId();
    if (!stored) store.create({ id: session, model });
    const path = pathTo(stored?.conversation ?? EMPTY_CONVERSATION);
    const added = asMessages(
      wantedOf(asked, path, settings),
      path,
      nextId(stored?.conversation ?? EMPTY_CONVERSATION),
    );
    const open = async () => store;
    return {
      ...{ session, model },
      messages: messagesOf([...path, ...added]),
      keeping: (printer, known) =>
        keeping(printer, { open, session, added, known: { ...known, model }, output }),
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

/** A system message is added only at the start, or if a flag changes it. */
function wantedOf(
  asked: readonly Message[],
  path: readonly TreeMessage[],
  settings: Settings,
): readonly Message[] {
  const changes = path.length === 0 || settings.get('system')?.origin === 'flag';
  return asked.filter(({ role, content }) => role !== 'system' || (changes && content !== systemOf(path)));
}

/** `asked` as messages of the tree, behind `path`. */
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

interface Keeping {
  readonly open: () => Promise<SessionStore>;
  readonly session: string;
  readonly added: readonly TreeMessage[];
  readonly known: Known & Pick<AnswerOrigin, 'model'>;
  readonly output: Output;
}

function keeping(printer: AnswerPrinter, { open, session, added, known, output }: Keeping): AnswerPrinter {
  let tokens = 0;
  let answer: AnswerWriter | undefined;
  let fails = false;
  const attempt = async (work: () => unknown) => {
    try {
      if (!fails) await work();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      fails = true;
      output.note(`This conversation is not saved: ${error.message}`);
    }
  };
  const begin = async () => {
    const store = await open();
    for (const message of added) store.append(session, message);
    const parent = added.at(-1)!.id;
    const createdAt = new Date().toISOString();
    answer = store.begin(session, { id: parent + 1, parent, role: 'assistant', createdAt }, known);
  };
  return {
    async token(token) {
      await printer.token(token);
      if (tokens === 0) await attempt(begin);
      tokens++;
      answer?.text(token.text);
    },
    async end(result) {
      await printer.end(result);
      await attempt(() => answer?.end({ ...known, ...endOf(result, tokens) }));
    },
  };
}

/** Without a result, generation failed. */
function endOf(
  result: GenerateResult | undefined,
  tokens: number,
): Omit<AnswerOrigin, keyof Keeping['known']> {
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
