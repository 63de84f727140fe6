/** Saves questions from a shell and their answers: each is a conversation of its own. */
import type { Message } from '../../core/chat-template.ts';
import type { AnswerOrigin } from '../../core/conversation.ts';
import { directories } from '../../core/directories.ts';
import type { GenerateResult } from '../../core/generate.ts';
import { lastingReference } from '../../core/models/reference.ts';
import { addToInbox, type Exchange, MOST_WAITING } from '../../core/sessions/inbox.ts';
import { newSessionId } from '../../core/sessions/session-id.ts';
import { UserError } from '../../errors.ts';
import type { AnswerPrinter } from '../answer/printer.ts';
import type { Call } from '../command.ts';
import type { Output } from '../output.ts';

/** Facts about an answer that are known before its first token. */
export type Known = Pick<AnswerOrigin, 'backend' | 'seed' | 'promptTokens'>;

/** A conversation that gets a question and its answer. */
export interface SavedSession {
  readonly session: string; // its id
  /** Reference of the model that answers. */
  readonly model: string;
  /** The current branch, then the new question. */
  readonly messages: readonly Message[];
  /** Stores question and answer, and nothing if no token is generated. A failure is a note; the answer goes on. */
  saver(known: Known): AnswerPrinter;
}

export type Asker = Pick<Call, 'options' | 'settings' | 'output'>;

/** A new conversation. It goes to the inbox of the sessions file, when its answer ends. */
export function newSession(asked: readonly Message[], { options, output }: Asker): SavedSession {
  const model = lastingReference(options.model ?? '');
  const session = newSessionId();
  const createdAt = new Date().toISOString();
  const saver = (known: Known): AnswerPrinter => {
    let text = '';
    let tokens = 0;
    return {
      async token(token) {
        text += token.text;
        tokens++;
      },
      async end(result) {
        if (tokens === 0) return;
        const answer = { role: 'assistant' as const, content: text, createdAt: new Date().toISOString() };
        const origin = { ...known, model, ...endOf(result, tokens) };
        await orNote(output, () =>
          deliver({ id: session, model, asked: saidOf(asked, createdAt), answer: { ...answer, origin } }),
        );
      },
    };
  };
  return { session, model, messages: asked, saver };
}

async function deliver(exchange: Exchange): Promise<void> {
  const { sessions } = directories();
  if (addToInbox(sessions, exchange) <= MOST_WAITING) return;
  const { openSessions } = await import('../../core/sessions/store.ts');
  (await openSessions(sessions)).close(); // takes them in
}

/** Runs `work`; a failure that users can mend is a note. */
export async function orNote(output: Output, work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    output.note(`This conversation is not saved: ${error.message}`);
  }
}

function saidOf(asked: readonly Message[], createdAt: string): Exchange['asked'] {
  return asked.map(({ role, content }) => ({
    role: role as 'system' | 'user',
    content: content as string, // a prompt on the command line is text
    createdAt,
  }));
}

/** Without a result, generation failed. */
export function endOf(
  result: GenerateResult | undefined,
  tokens: number,
): Omit<AnswerOrigin, keyof Known | 'model'> {
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
