const COLUMNS = 80;

/** Lines of at most 80 columns that begin with `indent` spaces, later ones with `hanging`; words stay whole. */
export function wrapped(text: string, indent: number, hanging = indent + 2): string {
  const lines: string[] = [];
  let line = ' '.repeat(indent);
  let bare = true; // no word yet
  for (const word of text.split(' ')) {
    if (!bare && line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = ' '.repeat(hanging);
      bare = true;
    }
    line += bare ? word : ` ${word}`;
    bare = false;
  }
  return [...lines, line].map((each) => `${each}\n`).join('');
}
