/**
 * Makes a source that ends anywhere fit for display: closes open marks, and hides text at the end that may become a mark.
 * For live lines only; final lines come from the source itself.
 */

/** A last line that may become a marker, a rule, an underline, a fence or a row of a table. */
const MARKS_ONLY =
  /^[\s>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?:[-*_=+#>~|:\s]+|`{1,2}|`{3}[^`]*|~{3}.*|\[[ xX]?\]?|\$\$?|\\\[?)$/;

// Ends that the next piece may extend: a joiner or selector without its right half, half of a flag.
const HALF_CHARACTER =
  /(?:(?:\u200d|\ufe0e|\ufe0f)+|(?<=(?<![\u{1f1e6}-\u{1f1ff}])(?:[\u{1f1e6}-\u{1f1ff}]{2})*)[\u{1f1e6}-\u{1f1ff}])$/u;

/** An incomplete escape, reference, break or mark of two characters. */
const HALF_MARK = /(?:\\|(?<!~)~|&#?\w{0,8}|<\/?(?:b|br\s*\/?)?)$/;

/** @param tail the source that is not final; starts at the start of a line */
export function displayable(tail: string): string {
  const line = tail.lastIndexOf('\n') + 1;
  const waits = MARKS_ONLY.test(tail.slice(line)) || isContinuedNumber(tail, line);
  const source = waits ? tail.slice(0, line) : tail;
  if (inFence(source)) return withoutHalfCharacter(source);
  const begin = lastTextStart(source);
  const text = closed(withoutHalfCharacter(source.slice(begin).replace(HALF_MARK, '')));
  return withTableRule(source.slice(0, begin) + text);
}

/** As displayable for a line of fenced code. Empty if it may become the end of the fence. */
export function displayableCode(line: string): string {
  return /^[ \t]*(?:`+|~+)?[ \t]*$/.test(line) ? '' : withoutHalfCharacter(line);
}

/** Removes an end that the next piece may extend. */
export function withoutHalfCharacter(text: string): string {
  return text.replace(HALF_CHARACTER, '');
}

/** Whether the last line is a number after a line of text: it may start a list. */
function isContinuedNumber(tail: string, line: number): boolean {
  return /^[\s>]*\d{1,9}[.)]?$/.test(tail.slice(line)) && /\S[ \t]*\n$/.test(tail.slice(0, line));
}

/** Whether the last line is fenced code, also in a list or a quote. */
function inFence(source: string): boolean {
  let open = '';
  const fences = /^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(`{3,}|~{3,})(.*)$/gm;
  for (const [, mark, info] of source.matchAll(fences)) {
    if (open === '') open = mark![0] === '`' && info!.includes('`') ? '' : mark!;
    else if (mark!.startsWith(open) && info!.trim() === '') open = '';
  }
  return open !== '';
}

/** Start of the text that open marks can span: after a blank line or a marker; in a table, after a bar. */
function lastTextStart(source: string): number {
  let start = 0;
  for (const match of source.matchAll(/^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)]|#{1,6})[ \t]+|\||$)/gm)) {
    start = match.index + match[0].length;
  }
  const line = source.lastIndexOf('\n') + 1;
  return /^[ \t>]*\|/.test(source.slice(line)) ? source.lastIndexOf('|') + 1 : Math.min(start, source.length);
}

/** Adds the second line of a table to its first, so that it is rendered as a table at once. */
function withTableRule(source: string): string {
  const head = /(?:^|\n[ \t]*\n)[ \t]*(\|[^\n]*)\n?$/.exec(source)?.[1]?.trim();
  if (head === undefined) return source;
  const whole = head.length > 1 && head.endsWith('|');
  const cells = head.replaceAll('\\|', '').split('|').length - (whole ? 2 : 1);
  return `${source.trimEnd()}${whole ? '' : '|'}\n${'|-'.repeat(cells)}|\n`;
}

/** The text of one block: open marks are closed, and marks at the end without content are removed. */
function closed(text: string): string {
  const open: string[] = []; // outermost first
  const marks = /\\[\s\S]|`+|\*+|_+|~{2,}|!?\[/g;
  for (let match = marks.exec(text); match; match = marks.exec(text)) {
    const [run] = match;
    const before = text.slice(0, match.index);
    const rest = text.slice(match.index + run.length);
    if (run.startsWith('`')) {
      const length = codeLength(rest, run);
      if (length === undefined) return withCode(before, rest.replace(/`+$/, ''), run) + closers(open);
      marks.lastIndex += length;
    } else if (run.endsWith('[')) {
      if (breaksOffInAddress(rest)) return `${text})${closers(open)}`;
    } else if (!run.startsWith('\\')) {
      const missing = close(open, run, before.at(-1), rest[0]);
      if (rest === '') return (missing === undefined ? before.trimEnd() : text + missing) + closers(open);
      if (missing === undefined && opens(run, before.at(-1), rest[0]!)) open.push(run);
    }
  }
  return open.length === 0 ? text : text.trimEnd() + closers(open);
}

function closers(open: readonly string[]): string {
  return open.toReversed().join('');
}

/** Code units up to the end of the inline code that `run` opens. */
function codeLength(rest: string, run: string): number | undefined {
  for (const match of rest.matchAll(/`+/g)) {
    if (match[0] === run) return match.index + run.length;
  }
  return undefined;
}

function withCode(before: string, code: string, run: string): string {
  return code.trim() === '' ? before.trimEnd() : before + run + code + run;
}

/** Whether `rest`, the text after the bracket of a link, ends inside the address. */
function breaksOffInAddress(rest: string): boolean {
  const label = /^(?:\\[\s\S]|[^[\]\\]|\[[^\]]*\])*\]\(/.exec(rest)?.[0];
  return label !== undefined && !rest.slice(label.length).includes(')');
}

/** Closes marks of `open` with `run`. Returns the characters missing at the end of the text; undefined if none closed. */
function close(open: string[], run: string, before = ' ', after = ''): string | undefined {
  const char = run[0]!;
  if (/\s/.test(before) || (char === '_' && /\w/.test(after))) return undefined;
  let left = run.length;
  while (left > 0) {
    const at = open.findLastIndex((mark) => mark.startsWith(char));
    if (at < 0 || (open[at]!.length > left && after !== '')) break;
    left -= open[at]!.length;
    open.length = at;
  }
  return left === run.length ? undefined : char.repeat(Math.max(0, -left));
}

/** Inside words and before spaces the characters are probably no mark. */
function opens(run: string, before = ' ', after: string): boolean {
  return run.length <= 3 && /\S/.test(after) && !/[\w)]/.test(before);
}
