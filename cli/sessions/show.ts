import { leavesOf, pathTo, siblingsOf, versionOf } from '../../core/conversation.ts';
import type { StoredSession } from '../../core/sessions/store.ts';
import type { Output } from '../output.ts';
import { counted } from '../sizes.ts';
import { localTime, ROLE_NAMES, unfinished } from './message-words.ts';
import { messageJson, sessionJson } from './session-json.ts';

/** Prints the current branch as text. */
export async function showSession(session: StoredSession, output: Output): Promise<void> {
  const { title, conversation } = session;
  const { heading, faint } = output.style;
  await output.print(`${heading(title)}\n${faint(factsOf(session))}\n`);
  for (const message of pathTo(conversation)) {
    const { id, role, origin, content } = message;
    const version = versionOf(conversation, id);
    const notes = [
      version && `‹ ${version.number}/${version.of} ›`,
      origin && origin.model !== session.model ? origin.model : undefined,
      unfinished(message),
    ].filter((note) => note !== undefined);
    const remark = notes.length > 0 ? ` ${faint(notes.join(' · '))}` : '';
    await output.print(`\n${heading(ROLE_NAMES[role])}${remark}\n${content.trimEnd()}\n`);
  }
}

function factsOf({ id, model, createdAt, messages, conversation }: StoredSession): string {
  const branches = leavesOf(conversation).length;
  const facts = [id, model, localTime(createdAt), counted(messages, 'message')];
  return (branches > 1 ? [...facts, `${branches} branches`] : facts).join(' · ');
}

/** The current branch as JSON. `siblings` are the ids of all messages with the same parent. */
export function shownJson(session: StoredSession) {
  const { conversation } = session;
  const messages = pathTo(conversation).map((message) => ({
    ...messageJson(message),
    siblings: siblingsOf(conversation, message.id).map(({ id }) => id),
  }));
  return { ...sessionJson(session), messages };
}
