/** Transcript entries as lines for the scrollback, except the text of answers. Pure. */
import type { AnswerOrigin, Version } from '../../../core/conversation.ts';
import type { ModelFacts } from '../../chat/chat-state.ts';
import type { Entry } from '../../chat/transcript.ts';
import { describeError } from '../../output.ts';
import { formatBytes } from '../../sizes.ts';
import { terminalText } from '../../terminal/terminal-text.ts';
import { columnsOf } from '../../terminal/text/width.ts';
import { sourceLines, wrapLines } from '../../terminal/text/wrap.ts';
import type { Theme } from '../../terminal/theme.ts';

/** Entries that are printed whole. */
export type WholeEntry = Exclude<Entry, { kind: 'answer-text' | 'answer-begin' | 'answer-end' }>;

/** Columns to the left of all text of a chat. They hold marks: of questions, answers and errors. */
export const MARGIN = 2;

/** `lines` to the right of the margin. @param mark stands in it before the first line, one column wide */
export function besideMargin(lines: readonly string[], mark = ' '): string[] {
  return lines.map((line, i) => (line === '' ? '' : `${i === 0 ? mark : ' '} ${line}`));
}

export interface LineOptions {
  readonly theme: Theme;
  readonly columns: number; // of the text with its margin
  readonly debug: boolean; // print causes of errors, too
}

export function entryLines(entry: WholeEntry, options: LineOptions): string[] {
  const { theme, columns } = options;
  switch (entry.kind) {
    case 'model':
      return modelLines(entry.facts, options);
    case 'user':
      return userLines(entry, options);
    case 'command':
      return besideMargin(
        wrapLines(terminalText(entry.text), columns - MARGIN).map((line) => theme.dim(line)),
        theme.dim(theme.glyphs.prompt),
      );
    case 'notice':
      return besideMargin(sourceLines(terminalText(entry.text), columns - MARGIN)).map((line) =>
        theme.dim(line),
      );
    case 'error':
      return errorLines(entry.error, options);
    case 'output':
      return besideMargin(entry.lines.flatMap((line) => sourceLines(line, columns - MARGIN)));
    case 'cut':
      return [cutLine(terminalText(entry.title), options), ''];
  }
}

function modelLines(facts: ModelFacts, { theme, columns }: LineOptions): string[] {
  const { name, type, bytes, backend, device, contextLength } = facts;
  const parts = [type, formatBytes(bytes), `${backend}, ${device}`, `context of ${contextLength}`];
  const line = ['', ...parts].join(` ${theme.glyphs.dot} `);
  return besideMargin(wrapLines(`${theme.strong(terminalText(name))}${theme.dim(line)}`, columns - MARGIN));
}

function userLines(
  { text, version }: Extract<Entry, { kind: 'user' }>,
  { theme, columns }: LineOptions,
): string[] {
  const all = questionLines(text, { theme, columns });
  const isLong = all.length > MOST_ROWS;
  const lines = isLong ? all.slice(0, FOLDED_ROWS) : all;
  if (isLong)
    lines.push(theme.dim(`${all.length - FOLDED_ROWS} more lines; Ctrl-O shows all of the last question`));
  const mark = versionMark(version, theme);
  return besideMargin(mark === '' ? lines : [...lines, theme.dim(mark)], theme.accent(theme.glyphs.prompt));
}

/** A question of more rows is folded to fewer: pasted and attached text would push the conversation away. */
const MOST_ROWS = 16;
const FOLDED_ROWS = 8;

/** All rows of a question, without the margin. */
export function questionLines(
  text: string,
  { theme, columns }: Pick<LineOptions, 'theme' | 'columns'>,
): string[] {
  return wrapLines(terminalText(text), columns - MARGIN).map((line) => theme.strong(line));
}

function errorLines(error: unknown, { theme, columns, debug }: LineOptions): string[] {
  const [message, ...more] = describeError(error, { debug }).map(terminalText);
  const width = columns - MARGIN;
  const lines = [
    ...wrapLines(`${theme.bad('error:')} ${message}`, width),
    ...more.flatMap((line) => sourceLines(line, width)).map((line) => theme.dim(line)),
  ];
  return besideMargin(lines, theme.bad(theme.glyphs.cross));
}

function cutLine(title: string, { theme, columns }: LineOptions): string {
  const { rule } = theme.glyphs;
  const rest = Math.max(3, columns - MARGIN - columnsOf(title) - 5);
  return theme.dim(`${' '.repeat(MARGIN)}${rule.repeat(3)} ${title} ${rule.repeat(rest)}`);
}

/** `‹ 2/3 ›`, or an empty string. */
export function versionMark(version: Version | undefined, { glyphs }: Theme): string {
  return version ? `${glyphs.older} ${version.number}/${version.of} ${glyphs.newer}` : '';
}

const ENDINGS: Readonly<Record<AnswerOrigin['finish'], string>> = {
  stop: '',
  aborted: 'stopped',
  length: 'cut off at the token limit',
  error: 'failed',
  'broken-off': 'interrupted',
};

/** Token count, speeds and ending of an answer, on one line if it fits. */
export function originLines(
  origin: AnswerOrigin,
  version: Version | undefined,
  { theme, columns }: Pick<LineOptions, 'theme' | 'columns'>,
): string[] {
  const {
    completionTokens: tokens,
    decodeMs,
    prefillMs,
    promptTokens,
    cachedTokens,
    finish,
    stoppedBy,
  } = origin;
  const read = promptTokens - cachedTokens; // negative if the cache held tokens of the answer, too
  const parts = [
    tokens === 0 ? '' : tokens === 1 ? '1 token' : `${tokens} tokens`, // not counted if it was interrupted
    decodeMs > 0 ? `${((1000 * (tokens - 1)) / decodeMs).toFixed(1)} tok/s` : '',
    prefillMs > 0 && read > 0 ? `read ${read} in ${(prefillMs / 1000).toFixed(2)} s` : '',
    stoppedBy === 'repetition' ? 'ended: it repeats itself' : ENDINGS[finish],
    versionMark(version, theme),
  ];
  const line = parts.filter((part) => part !== '').join(` ${theme.glyphs.dot} `);
  return besideMargin(wrapLines(line, columns - MARGIN)).map((row) => theme.dim(row));
}
