/**
 * Layout of weights for kernels that know only float32. A block of a row is a run of floats: its scale, its minimum if
 * it has one, then words of codes. A word is an integer of 24 bits, which a float32 holds exactly; its first code is
 * in the lowest bits. A weight is code * scale + minimum.
 *
 * A matrix is [rows / 16][K / block][floats][16 rows]: neighbouring cells read neighbouring floats, and a group of rows
 * reads one stream. Float weights are blocks of one float. Rows are padded to whole groups with zeros.
 */
export interface PackedBlock {
  readonly weights: number; // of a row in a block
  readonly bits: number; // of a code; 0: floats without codes
  readonly signed: boolean; // codes are two's complement
  readonly minimum: boolean;
}

/** Rows of a group. */
export const GROUP = 16;

const WORD_BITS = 24;

export interface BlockLayout extends PackedBlock {
  readonly header: number; // floats before the words
  readonly perWord: number; // codes of a full word
  readonly fullWords: number;
  readonly rest: number; // codes of the last word, if it is not full
  readonly floats: number; // of a block
}

export function blockLayout(block: PackedBlock): BlockLayout {
  if (block.bits === 0) return { ...block, header: 0, perWord: 1, fullWords: 1, rest: 0, floats: 1 };
  const header = block.minimum ? 2 : 1;
  const perWord = Math.floor(WORD_BITS / block.bits);
  const fullWords = Math.floor(block.weights / perWord);
  const rest = block.weights % perWord;
  return { ...block, header, perWord, fullWords, rest, floats: header + fullWords + (rest > 0 ? 1 : 0) };
}

/** Floats of a packed matrix. */
export function packedLength(block: PackedBlock, rows: number, cols: number): number {
  return Math.ceil(rows / GROUP) * GROUP * (cols / block.weights) * blockLayout(block).floats;
}

/** An expression for the code at bit `shift` of a word. */
export function codeOf({ bits, signed }: PackedBlock, word: string, shift: number | string): string {
  const up = typeof shift === 'number' ? 32 - bits - shift : `(${32 - bits} - ${shift})`;
  return `((${word} << ${up}) ${signed ? '>>' : '>>>'} ${32 - bits})`;
}
