/** Commands about conversations on disk. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { homeDirectory } from '../../../core/directories.ts';
import type { SearchHit, SessionStore, StoredSession } from '../../../core/sessions/store.ts';
import { UserError } from '../../../errors.ts';
import { sessionList } from '../../sessions/choose.ts';
import { exportMarkdown } from '../../sessions/export.ts';
import { sessionJson } from '../../sessions/session-json.ts';
import { terminalText } from '../../terminal/terminal-text.ts';
import { truncate } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';
import { type CommandContext, print, type SlashCommand, say, usage } from './slash-command.ts';

export const SESSIONS: readonly SlashCommand[] = [
  {
    name: 'search',
    args: 'WORDS',
    summary: 'search all saved conversations',
    group: 'Sessions',
    anytime: true,
    run: search,
  },
  {
    name: 'save',
    args: '[TITLE]',
    summary: 'save this conversation, or give it a title',
    group: 'Sessions',
    anytime: true,
    run: save,
  },
  {
    name: 'load',
    aliases: ['resume'],
    args: '[ID]',
    summary: 'choose a saved conversation, or continue ID',
    details: 'The beginning of its id is enough.',
    group: 'Sessions',
    complete: ({ dialogue }) =>
      dialogue.keeper.store?.list({ limit: 50 }).map(({ id, title }) => ({ value: id, detail: title })) ?? [],
    run: load,
  },
  {
    name: 'export',
    args: 'FILE',
    summary: 'write this conversation to FILE',
    details: 'As Markdown, or with all branches as JSON (.json).',
    group: 'Sessions',
    anytime: true,
    run: exportTo,
  },
];

function search(context: CommandContext, words: string) {
  const { theme, screen } = context;
  if (words === '') throw usage('There are no words to search for.', 'Type: /search WORDS');
  const found = storeOf(context).search(words, { limit: 10 });
  if (found.length === 0) return say(context, `no message contains ${words}`);
  print(
    context,
    found.map(({ session, title, snippet }) => {
      const line = `  ${theme.strong(session)}  ${theme.dim(clean(title))}  ${marked(snippet, theme)}`;
      return truncate(line, screen.columns - 1, context.theme.glyphs.ellipsis);
    }),
  );
  say(context, '/load ID continues one');
}

function save(context: CommandContext, title: string) {
  const { dialogue } = context;
  storeOf(context);
  if (dialogue.branch.conversation.messages.size === 0)
    throw usage('There is nothing to save yet.', 'Ask something first.');
  const id = dialogue.branch.save(title);
  say(context, `saved as ${id}${title === '' ? '' : ` "${title}"`}; percept chat -r ${id} continues it`);
}

async function load(context: CommandContext, id: string) {
  const { dialogue, screen } = context;
  const store = storeOf(context);
  if (id !== '') return dialogue.resume(store.read(id));
  const list = sessionList(store, { current: dialogue.keeper.id });
  if (!list) return say(context, 'there are no saved conversations yet');
  const chosen = await screen.choose(list);
  if (chosen) await dialogue.resume(store.read(chosen.value));
}

async function exportTo(context: CommandContext, file: string) {
  if (file === '')
    throw usage('There is no file to write to.', 'Type: /export chat.md, or /export chat.json');
  const session = currentSession(context);
  const path = resolve(file.replace(/^~(?=\/)/, homeDirectory));
  const text = /\.json$/i.test(path)
    ? `${JSON.stringify(sessionJson(session), null, 2)}\n`
    : exportMarkdown(session);
  try {
    await writeFile(path, text, { flag: 'wx' });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const reason = code === 'EEXIST' ? 'the file exists' : message;
    throw new UserError(`Writing ${path} failed: ${reason}.`, 'Choose another name.', {
      kind: 'usage',
      cause,
    });
  }
  say(context, `wrote ${path}`);
}

/** The present conversation, saved or not. Throws UserError if it has no messages. */
function currentSession({ dialogue }: CommandContext): StoredSession {
  const { keeper, state } = dialogue;
  const { conversation } = dialogue.branch;
  const messages = [...conversation.messages.values()];
  if (messages.length === 0) {
    throw usage('There is nothing to export yet.', 'Ask something first.');
  }
  if (keeper.store && keeper.id !== undefined && !keeper.problem) return keeper.store.read(keeper.id);
  return {
    id: '',
    title: state.get().session?.title ?? 'Conversation',
    model: dialogue.reference,
    createdAt: messages[0]!.createdAt,
    updatedAt: messages.at(-1)!.createdAt,
    messages: messages.length,
    conversation,
  };
}

/** Throws UserError if this chat saves nothing. */
function storeOf({ dialogue }: CommandContext): SessionStore {
  if (dialogue.keeper.store) return dialogue.keeper.store;
  throw usage('This chat saves no conversations.', 'Start it without --no-save.');
}

function clean(text: string): string {
  return terminalText(text.replace(/\s+/g, ' '));
}

/** The snippet with the matches highlighted. */
function marked({ text, matches }: SearchHit['snippet'], theme: Theme): string {
  let shown = '';
  let from = 0;
  for (const [start, length] of matches) {
    shown += clean(text.slice(from, start)) + theme.accent(clean(text.slice(start, start + length)));
    from = start + length;
  }
  return shown + clean(text.slice(from));
}
