import type { SearchHit, SessionSummary } from '../../core/sessions/store.ts';
import type { Output } from '../output.ts';
import { counted } from '../sizes.ts';
import { terminalLine } from '../terminal/terminal-text.ts';
import { columnsOf, padded } from '../terminal/text/width.ts';
import { truncate } from '../terminal/text/wrap.ts';
import { localTime, modelName, ROLE_NAMES } from './message-words.ts';

/** Default number of lines on a terminal. */
const LINES = 20;

/** Prints a line for each session: id, time, size, model and title. Cut to the width of a terminal. */
export async function printList(
  sessions: readonly SessionSummary[],
  output: Output,
  limit = output.interactive ? LINES : sessions.length,
): Promise<void> {
  const rows = sessions.slice(0, limit).map(({ id, updatedAt, messages, model, title }) => {
    const facts = [id, localTime(updatedAt), counted(messages, 'message'), modelName(model), title];
    return facts.map(terminalLine);
  });
  const widths = [0, 1, 2, 3].map((i) => Math.max(0, ...rows.map((row) => columnsOf(row[i]!))));
  const columns = output.interactive ? (process.stdout.columns ?? 80) - 1 : Number.POSITIVE_INFINITY;
  const lines = rows.map((row) => {
    const line = row.map((cell, i) => padded(cell, widths[i] ?? 0)).join('  ');
    return `${truncate(line, columns, '…')}\n`;
  });
  await output.print(lines.join(''));
  const older = sessions.length - rows.length;
  if (older > 0) output.note(`${older} older: percept sessions --limit ${sessions.length}`);
}

/** Prints search hits below their sessions. */
export async function printHits(hits: readonly SearchHit[], output: Output): Promise<void> {
  const { heading, faint } = output.style;
  for (const [session, found] of Map.groupBy(hits, (hit) => hit.session)) {
    await output.print(`${heading(session)}  ${terminalLine(found[0]!.title)}\n`);
    for (const { message, snippet } of found) {
      if (!message) continue;
      const role = ROLE_NAMES[message.role].toLowerCase();
      await output.print(`  ${faint(`${role}:`)} ${marked(snippet, heading)}\n`);
    }
  }
}

function marked({ text, matches }: SearchHit['snippet'], mark: (text: string) => string): string {
  let shown = '';
  let end = 0;
  for (const [start, length] of matches) {
    shown += terminalLine(text.slice(end, start)) + mark(terminalLine(text.slice(start, start + length)));
    end = start + length;
  }
  return shown + terminalLine(text.slice(end));
}
