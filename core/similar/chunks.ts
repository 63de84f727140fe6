/** Cuts a text into chunks that are about one thing: paragraphs, or parts of long ones. */

export interface Chunk {
  readonly line: number; // of its beginning, from 1
  readonly text: string;
}

/** A blank line ends a chunk of at least as many characters. */
const LEAST = 200;
/** Some 200 tokens: small encoders were trained with texts of that length. */
const MOST = 800;

/** Chunks in their order; every one has more than white space. */
export function chunksOf(text: string): Chunk[] {
  const chunks: Chunk[] = [];
  let lines: string[] = [];
  let [first, length] = [1, 0];
  const end = (next: number) => {
    const whole = lines.join('\n');
    if (whole.trim() !== '') chunks.push({ line: first, text: whole });
    [lines, first, length] = [[], next, 0];
  };
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' && (length >= LEAST || length === 0)) {
      end(i + 2);
      continue;
    }
    if (length + line.length > MOST) end(i + 1);
    if (line.length > MOST) {
      for (const part of partsOf(line)) chunks.push({ line: i + 1, text: part });
      end(i + 2);
      continue;
    }
    lines.push(line);
    length += line.length + 1;
  }
  end(0);
  return chunks;
}

/** Each line by itself. */
export function linesOf(text: string): Chunk[] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    if (line.trim() === '') return [];
    const parts = line.length > MOST ? partsOf(line) : [line];
    return parts.map((part) => ({ line: i + 1, text: part }));
  });
}

/** Parts of a long line, cut between words where there are some. */
function partsOf(line: string): string[] {
  const parts = line.match(new RegExp(`[^]{1,${MOST}}(?=\\s|$)|[^]{1,${MOST}}`, 'gu')) ?? [];
  return parts.filter((part) => part.trim() !== '');
}
