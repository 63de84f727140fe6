const MOST_CHARACTERS = 60;

const segmenter = new Intl.Segmenter();

/** A file after a question: its name, then a fence. */
const ATTACHMENT = /\n\n[^\n]+:\n`{3}/;

/** The beginning of a question on one line, without attached files. Characters are counted as graphemes. */
export function titleOf(text: string): string {
  const asked = text.slice(0, text.match(ATTACHMENT)?.index).trim() || text.trim();
  const line = asked.replace(/\s+/g, ' ');
  if (line.length <= MOST_CHARACTERS) return line;
  const end = endOfTitle(line);
  return end === undefined ? line : `${line.slice(0, end).trimEnd()}…`;
}

/** Offset of the grapheme that the ellipsis replaces; undefined if the line fits. */
function endOfTitle(line: string): number | undefined {
  if (/^[ -~]*$/.test(line.slice(0, MOST_CHARACTERS + 1))) return MOST_CHARACTERS - 1; // fast path: lists have many titles
  const starts: number[] = [];
  for (const { index } of segmenter.segment(line)) {
    if (starts.push(index) > MOST_CHARACTERS) return starts.at(-2);
  }
  return undefined;
}
