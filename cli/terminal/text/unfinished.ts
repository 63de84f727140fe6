/**
 * A source that breaks off anywhere, made fit to be shown: marks that are open are closed, and what may yet turn out to
 * be a mark waits. Only for the eye; what is shown for good comes from the source itself.
 */

/** A last line that may become a marker, a rule, an underline, a fence or a row of a table. */
const MARKS_ONLY =
  /^[\s>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?:[-*_=+#>~|:\s]+|`{1,2}|`{3}[^`]*|~{3}.*|\[[ xX]?\]?|\$\$?|\\\[?)$/;

// What the next piece may join to: a joiner or selector without its right half, half of a flag.
const HALF_CHARACTER =
  /(?:(?:\u200d|\ufe0e|\ufe0f)+|(?<=(?<![\u{1f1e6}-\u{1f1ff}])(?:[\u{1f1e6}-\u{1f1ff}]{2})*)[\u{1f1e6}-\u{1f1ff}])$/u;

/** A backslash, a reference, a break or a mark of two in the middle. */
const HALF_MARK = /(?:\\|(?<!~)~|&#?\w{0,8}|<\/?(?:b|br\s*\/?)?)$/;

/** `tail` begins at the start of a line; it is what has not been shown for good. */
export function displayable(tail: string): string {
  const line = tail.lastIndexOf('\n') + 1;
  const waits = MARKS_ONLY.test(tail.slice(line)) || isContinuedNumber(tail, line);
  const source = waits ? tail.slice(0, line) : tail;
  if (inFence(source)) return withoutHalfCharacter(source);
  const begin = lastTextStart(source);
  const text = closed(withoutHalfCharacter(source.slice(begin).replace(HALF_MARK, '')));
  return withTableRule(source.slice(0, begin) + text);
}

/** The same for a line of fenced code; empty where it may become the end of the fence. */
export function displayableCode(line: string): string {
  return /^[ \t]*(?:`+|~+)?[ \t]*$/.test(line) ? '' : withoutHalfCharacter(line);
}

/** Without what the next piece may join to. */
export function withoutHalfCharacter(text: string): string {
  return text.replace(HALF_CHARACTER, '');
}

/** Whether the last line is a number behind one of text: it may begin a list. */
function isContinuedNumber(tail: string, line: number): boolean {
  return /^[\s>]*\d{1,9}[.)]?$/.test(tail.slice(line)) && /\S[ \t]*\n$/.test(tail.slice(0, line));
}

/** Whether the last line is code of a fence, be it in a list or a quote. */
function inFence(source: string): boolean {
  let open = '';
  const fences = /^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(`{3,}|~{3,})(.*)$/gm;
  for (const [, mark, info] of source.matchAll(fences)) {
    if (open === '') open = mark![0] === '`' && info!.includes('`') ? '' : mark!;
    else if (mark!.startsWith(open) && info!.trim() === '') open = '';
  }
  return open !== '';
}

/** Where the text begins that marks could reach over: behind a blank line or a marker, in a table behind a bar. */
function lastTextStart(source: string): number {
  let start = 0;
  for (const match of source.matchAll(/^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)]|#{1,6})[ \t]+|\||$)/gm)) {
    start = match.index + match[0].length;
  }
  const line = source.lastIndexOf('\n') + 1;
  return /^[ \t>]*\|/.test(source.slice(line)) ? source.lastIndexOf('|') + 1 : Math.min(start, source.length);
}

/** The head of a table looks like one before its second line has come. */
function withTableRule(source: string): string {
  const head = /(?:^|\n[ \t]*\n)[ \t]*(\|[^\n]*)\n?$/.exec(source)?.[1]?.trim();
  if (head === undefined) return source;
  const whole = head.length > 1 && head.endsWith('|');
  const cells = head.replaceAll('\\|', '').split('|').length - (whole ? 2 : 1);
  return `${source.trimEnd()}${whole ? '' : '|'}\n${'|-'.repeat(cells)}|\n`;
}

/** `text` of one block with its open marks closed, and without those at its end that hold nothing yet. */
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

/** Code units up to the end of the code that `run` opens. */
function codeLength(rest: string, run: string): number | undefined {
  for (const match of rest.matchAll(/`+/g)) {
    if (match[0] === run) return match.index + run.length;
  }
  return undefined;
}

function withCode(before: string, code: string, run: string): string {
  return code.trim() === '' ? before.trimEnd() : before + run + code + run;
}

/** Whether `rest`, behind the bracket of a link, ends before its address does. */
function breaksOffInAddress(rest: string): boolean {
  const label = /^(?:\\[\s\S]|[^[\]\\]|\[[^\]]*\])*\]\(/.exec(rest)?.[0];
  return label !== undefined && !rest.slice(label.length).includes(')');
}

/** Closes by `run` what it can of `open`; what the run lacks for that at the end of the text, or undefined. */
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

/** In words and before spaces a mark is more likely none. */
function opens(run: string, before = ' ', after: string): boolean {
  return run.length <= 3 && /\S/.test(after) && !/[\w)]/.test(before);
}
