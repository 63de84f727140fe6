/** Conversations that are kept: what is there, what was said, and what becomes of it. */
import { existsSync } from 'node:fs';
import { directories } from '../core/directories.ts';
import { nearest } from '../core/near-miss.ts';
import { IN_MEMORY, openSessions, type SessionStore } from '../core/sessions/store.ts';
import { UserError } from '../errors.ts';
import { type Call, SESSION_ACTIONS } from './commands.ts';
import { confirm } from './confirm.ts';
import { exportMarkdown } from './sessions/export.ts';
import { printHits, printList } from './sessions/list.ts';
import { hitJson, sessionJson, summaryJson } from './sessions/session-json.ts';
import { shownJson, showSession } from './sessions/show.ts';
import { terminalText } from './terminal/terminal-text.ts';

interface Action {
  readonly operands: string; // as help writes them; several where the last one ends in ..
  readonly run: (store: SessionStore, call: Call) => Promise<void>;
}

const ACTIONS: Readonly<Record<(typeof SESSION_ACTIONS)[number], Action>> = {
  list: { operands: '', run: list },
  show: { operands: 'ID', run: show },
  search: { operands: 'WORDS..', run: search },
  rename: { operands: 'ID TITLE..', run: rename },
  export: { operands: 'ID', run: exportSession },
  rm: { operands: 'ID..', run: rm },
};

/** One of the actions; without one, the list. */
export async function sessions(call: Call): Promise<void> {
  const [name = 'list', ...operands] = call.operands;
  const known = SESSION_ACTIONS.find((action) => action === name);
  if (!known) throw noSuchAction(name);
  const action = ACTIONS[known];
  checkOperands(name, action, operands);
  const path = directories().sessions;
  const store = await openSessions(existsSync(path) ? path : IN_MEMORY); // to look makes no file
  try {
    await action.run(store, { ...call, operands });
  } finally {
    store.close();
  }
}

async function list(store: SessionStore, { options, output }: Call): Promise<void> {
  const { limit, json, names } = options;
  const kept = store.list();
  if (json) return output.json({ sessions: kept.slice(0, limit).map(summaryJson) });
  if (names)
    return output.print(
      kept
        .slice(0, limit)
        .map(({ id }) => `${id}\n`)
        .join(''),
    );
  if (kept.length === 0) return output.note('No conversation is kept yet: percept chat begins one.');
  await printList(kept, output, limit);
}

async function show(store: SessionStore, { operands, options, output }: Call): Promise<void> {
  const session = store.read(operands[0]!);
  if (options.json) return output.json(shownJson(session));
  await showSession(session, output);
}

async function search(store: SessionStore, { operands, options, output }: Call): Promise<void> {
  const query = operands.join(' ');
  const hits = store.search(query, { limit: options.limit });
  if (options.json) return output.json({ query, hits: hits.map(hitJson) });
  if (hits.length === 0) return output.note('Nothing was said with these words.');
  await printHits(hits, output);
}

async function rename(store: SessionStore, { operands, options, output }: Call): Promise<void> {
  const [prefix, ...words] = operands;
  const { id } = store.find(prefix!);
  store.rename(id, words.join(' '));
  const { title } = store.find(id);
  if (options.json) return output.json({ id, title });
  output.note(`Renamed ${id}: ${terminalText(title)}`);
}

async function exportSession(store: SessionStore, { operands, options, output }: Call): Promise<void> {
  const session = store.read(operands[0]!);
  if (options.json) return output.json(sessionJson(session));
  const text = exportMarkdown(session);
  await output.print(output.interactive ? terminalText(text) : text);
}

async function rm(store: SessionStore, { operands, options, output }: Call): Promise<void> {
  const found = new Map(
    operands.map((operand) => store.find(operand)).map((session) => [session.id, session]),
  );
  const ids = [...found.keys()];
  const names = [...found.values()].map(({ id, title }) => `${id} (${terminalText(title)})`).join(', ');
  const asks = !options.yes;
  if (asks && !(await confirm(`Delete ${names}?`, `percept sessions rm -y ${ids.join(' ')}`))) {
    return output.note('Nothing deleted.');
  }
  store.remove(...ids);
  if (options.json) return output.json({ removed: ids });
  output.note(`Deleted ${names}.`);
}

function checkOperands(name: string, { operands }: Action, given: readonly string[]): void {
  const expected = operands.split(' ').filter((word) => word !== '');
  const several = operands.endsWith('..');
  if (given.length >= expected.length && (several || given.length === expected.length)) return;
  const what = operands === '' ? 'nothing' : operands;
  const got = given.length === 0 ? 'nothing' : `"${given.join(' ')}"`;
  throw new UserError(
    `Expected ${what} after percept sessions ${name}, got ${got}.`,
    'percept sessions lists the ids; the beginning of one is enough.',
    { kind: 'usage' },
  );
}

function noSuchAction(name: string): UserError {
  const near = nearest(name, SESSION_ACTIONS);
  const usages = Object.entries(ACTIONS).map(([action, { operands }]) => `${action} ${operands}`.trim());
  return new UserError(
    `Expected one of ${usages.join(', ')} after percept sessions, got "${name}".`,
    near ? `Did you mean percept sessions ${near}?` : 'See percept sessions --help.',
    { kind: 'usage' },
  );
}
