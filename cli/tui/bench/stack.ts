/** Blocks of lines one below the other on a screen that may be too low for all. */
export interface Block {
  /** Of two that do not both fit, the one of more importance stays; 0 never shows. */
  readonly importance: number;
  readonly least: number; // rows
  readonly wanted?: number; // rows that it gets before anything of less importance; default: `least`
  readonly most?: number; // rows it makes use of; default: `wanted`
  /** An empty line below or above it is worth more than more rows elsewhere. */
  readonly gap?: boolean;
  readonly lines: (rows: number) => readonly string[];
}

/** At most `rows` lines; blocks keep their order, rows to spare go to those that can use them. */
export function stacked(blocks: readonly Block[], rows: number): string[] {
  const heights = new Map<Block, number>();
  let spare = rows;
  for (const block of blocks.toSorted((a, b) => b.importance - a.importance)) {
    if (block.importance === 0 || block.least > spare) continue;
    const height = Math.min(wantedOf(block), spare);
    heights.set(block, height);
    spare -= height;
  }
  const kept = blocks.filter((block) => heights.has(block));
  const gaps = new Set(
    kept
      .slice(0, -1)
      .filter(({ gap }) => gap)
      .slice(0, spare),
  );
  dealOut(heights, spare - gaps.size);
  return kept.flatMap((block) => {
    const height = heights.get(block)!;
    const lines = block.lines(height).slice(0, height);
    return gaps.has(block) ? [...lines, ''] : lines;
  });
}

function wantedOf({ least, wanted = least }: Block): number {
  return wanted;
}

/** A row in turn to every block that can use more. */
function dealOut(heights: Map<Block, number>, spare: number): void {
  for (let dealt = true; dealt; ) {
    dealt = false;
    for (const [block, height] of heights) {
      if (spare === 0 || height >= (block.most ?? wantedOf(block))) continue;
      heights.set(block, height + 1);
      spare--;
      dealt = true;
    }
  }
}
