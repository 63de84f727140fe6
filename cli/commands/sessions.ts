/** percept sessions: list, show, search, rename, export or delete stored conversations. */

import { existsSync } from 'node:fs';
import { directories } from '../../core/directories.ts';
import { shellWord } from '../../core/models/reference.ts';
import { nearest } from '../../core/near-miss.ts';
import { forgetSession, promptFolder } from '../../core/prompt-cache.ts';
import { hasWaiting } from '../../core/sessions/inbox.ts';
import { IN_MEMORY, openSessions, type SessionStore } from '../../core/sessions/store.ts';
import { UserError } from '../../errors.ts';
import type { Call } from '../command.ts';
import { confirm } from '../confirm.ts';
import { SESSION_ACTIONS, SESSION_OPERANDS, type SessionAction } from '../sessions/actions.ts';
import { exportMarkdown } from '../sessions/export.ts';
import { printHits, printList } from '../sessions/list.ts';
import { hitJson, sessionJson, summaryJson } from '../sessions/session-json.ts';
import { shownJson, showSession } from '../sessions/show.ts';

/** `operands` are those after the action. */
type Asked = Pick<Call, 'operands' | 'options' | 'output'>;

const ACTIONS: Readonly<Record<SessionAction, (store: SessionStore, asked: Asked) => Promise<void>>> = {
  list,
  show,
  search,
  rename,
  export: exportSession,
  rm,
};

/** Runs one action; `list` without one. */
export async function sessions({
  operands: [name = 'list', ...operands],
  options,
  output,
}: Call): Promise<void> {
  const action = SESSION_ACTIONS.find((each) => each === name);
  if (!action) throw noSuchAction(name);
  checkOperands(action, operands);
  const path = directories().sessions;
  const reads = action !== 'rename' && action !== 'rm';
  const hasAny = existsSync(path) || hasWaiting(path);
  const store = await openSessions(hasAny ? path : IN_MEMORY, { reads }); // reading creates no file
  try {
    await ACTIONS[action](store, { operands, options, output });
  } finally {
    store.close();
  }
}

async function list(store: SessionStore, { options, output }: Asked): Promise<void> {
  const { limit, json, names } = options;
  const stored = store.list();
  if (json) return output.json({ sessions: stored.slice(0, limit).map(summaryJson) });
  if (names)
    return output.print(
      stored
        .slice(0, limit)
        .map(({ id }) => `${id}\n`)
        .join(''),
    );
  if (stored.length === 0)
    return output.note('There is no stored conversation yet: percept chat starts one.');
  await printList(stored, output, limit);
}

async function show(store: SessionStore, { operands, options, output }: Asked): Promise<void> {
  const session = store.read(operands[0]!);
  if (options.json) return output.json(shownJson(session));
  await showSession(session, output);
}

async function search(store: SessionStore, { operands, options, output }: Asked): Promise<void> {
  const query = operands.join(' ');
  const hits = store.search(query, { limit: options.limit });
  if (options.json) return output.json({ query, hits: hits.map(hitJson) });
  if (hits.length === 0) return output.note('No message contains these words.');
  await printHits(hits, output);
}

async function rename(store: SessionStore, { operands, options, output }: Asked): Promise<void> {
  const [prefix, ...words] = operands;
  const { id } = store.find(prefix!);
  store.rename(id, words.join(' '));
  const { title } = store.find(id);
  if (options.json) return output.json({ id, title });
  output.note(`Renamed ${id}: ${title}`);
}

async function exportSession(store: SessionStore, { operands, options, output }: Asked): Promise<void> {
  const session = store.read(operands[0]!);
  if (options.json) return output.json(sessionJson(session));
  const text = exportMarkdown(session);
  await output.print(text);
}

async function rm(store: SessionStore, { operands, options, output }: Asked): Promise<void> {
  const found = new Map(
    operands.map((operand) => store.find(operand)).map((session) => [session.id, session]),
  );
  const ids = [...found.keys()];
  const names = [...found.values()].map(({ id, title }) => `${id} (${title})`).join(', ');
  const asks = !options.yes;
  if (asks && !(await confirm(`Delete ${names}?`, `percept sessions rm -y ${ids.join(' ')}`))) {
    return output.note('Nothing deleted.');
  }
  store.remove(...ids);
  const prompts = promptFolder();
  for (const id of ids) forgetSession(prompts, id);
  if (options.json) return output.json({ removed: ids });
  output.note(`Deleted ${names}.`);
}

function checkOperands(action: SessionAction, given: readonly string[]): void {
  const operands = SESSION_OPERANDS[action];
  const expected = operands.split(' ').filter((word) => word !== '');
  const several = operands.endsWith('..');
  if (given.length >= expected.length && (several || given.length === expected.length)) return;
  const wanted = operands === '' ? 'nothing' : operands;
  const got = given.length === 0 ? 'nothing' : `"${given.join(' ')}"`;
  throw new UserError(
    `Expected ${wanted} after percept sessions ${action}, got ${got}.`,
    'percept sessions lists the ids. The first characters of an id are enough.',
    { kind: 'usage' },
  );
}

/** Words for actions in other programs. */
const OTHER_WORDS: Readonly<Record<string, SessionAction>> = {
  ls: 'list',
  delete: 'rm',
  remove: 'rm',
  find: 'search',
  view: 'show',
  open: 'show',
  save: 'export',
};

function noSuchAction(name: string): UserError {
  const near = Object.hasOwn(OTHER_WORDS, name) ? OTHER_WORDS[name] : nearest(name, SESSION_ACTIONS);
  const usages = SESSION_ACTIONS.map((action) => `${action} ${SESSION_OPERANDS[action]}`.trim());
  return new UserError(
    `Expected one of ${usages.join(', ')} after percept sessions, got "${name}".`,
    near
      ? `Did you mean percept sessions ${near}?`
      : `For the id of one: percept sessions show ${shellWord(name)}`,
    { kind: 'usage' },
  );
}
