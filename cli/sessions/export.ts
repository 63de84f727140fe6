import { pathTo, type TreeMessage, type Version, versionOf } from '../../core/conversation.ts';
import type { StoredSession } from '../../core/sessions/store.ts';
import { ROLE_NAMES, unfinished } from './message-words.ts';

/** The current branch as a Markdown document. */
export function exportMarkdown({
  title,
  conversation,
}: Pick<StoredSession, 'title' | 'conversation'>): string {
  const sections = pathTo(conversation).map((message) =>
    [
      `## ${ROLE_NAMES[message.role]}`,
      remark(message, versionOf(conversation, message.id)),
      message.content.trim(),
    ]
      .filter((part) => part !== '')
      .join('\n\n'),
  );
  return `${[`# ${title}`, ...sections].join('\n\n')}\n`;
}

/** The model, the version, and why the answer is incomplete. */
function remark(message: TreeMessage, version: Version | undefined): string {
  const parts = [
    message.origin?.model,
    version && `version ${version.number} of ${version.of}`,
    unfinished(message),
  ].filter((part) => part !== undefined);
  return parts.length > 0 ? `*${parts.join(', ').replace(/[\\`*_[\]<]/g, '\\$&')}*` : '';
}
