/** Sessions as JSON, an interface for scripts. */
import type { AnswerOrigin, TreeMessage } from '../../core/conversation.ts';
import type { SearchHit, SessionSummary, StoredSession } from '../../core/sessions/store.ts';

export function summaryJson({ messages, ...session }: SessionSummary) {
  return { ...factsJson(session), message_count: messages };
}

function factsJson({ id, title, model, createdAt, updatedAt }: Omit<SessionSummary, 'messages'>) {
  return { id, title, model, created_at: createdAt, updated_at: updatedAt };
}

/** The whole tree. `head` is the last message of the current branch. */
export function sessionJson({ conversation, ...session }: StoredSession) {
  const messages = [...conversation.messages.values()].map(messageJson);
  return { ...factsJson(session), head: conversation.head, messages };
}

export function messageJson({ id, parent, role, content, createdAt, origin }: TreeMessage) {
  return { id, parent, role, content, created_at: createdAt, origin: origin && originJson(origin) };
}

export function hitJson({ session, title, message, snippet }: SearchHit) {
  const { text, matches } = snippet;
  const found = message && { message: message.id, role: message.role, created_at: message.createdAt };
  return { session, title, ...found, snippet: text, matches };
}

function originJson(origin: AnswerOrigin) {
  const { model, backend, finish, seed } = origin;
  return {
    ...{ model, backend, finish, seed },
    prompt_tokens: origin.promptTokens,
    completion_tokens: origin.completionTokens,
    cached_tokens: origin.cachedTokens,
    prefill_ms: origin.prefillMs,
    decode_ms: origin.decodeMs,
  };
}
