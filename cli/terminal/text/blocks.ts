/** Renders Markdown blocks as lines, including nested blocks in lists and quotes. */
import type { Tokens } from 'marked';
import type { RenderOptions } from '../theme.ts';
import { codeBlock } from './code.ts';
import { inlineText } from './inline.ts';
import type { MarkdownToken } from './lexer.ts';
import { tableLines } from './table.ts';
import { columnsOf } from './width.ts';
import { sourceLines, truncate, withoutInk, wrapLines } from './wrap.ts';

const LEAST = 6; // least columns inside nested blocks; deeper ones are not indented

/** Renders blocks with an empty line between them. */
export function blocksLines(blocks: readonly MarkdownToken[], options: RenderOptions): string[] {
  const drawn = blocks.map((block) => blockLines(block, options)).filter((lines) => lines.length > 0);
  return drawn.flatMap((lines, i) => (i > 0 ? ['', ...lines] : lines));
}

/** No line for an invisible block. */
export function blockLines(block: MarkdownToken, options: RenderOptions): string[] {
  const { columns, theme } = options;
  switch (block.type) {
    case 'paragraph':
    case 'text':
      return paragraph(inlineText(block.tokens, options), columns);
    case 'heading':
      return heading(block, options);
    case 'code':
      return codeBlock(block.raw, options);
    case 'list':
      return listLines(block, options, Number(block.start));
    case 'blockquote':
      return quote(block, options);
    case 'table':
      return tableLines(block, options);
    case 'hr':
      return [theme.dim(theme.glyphs.rule.repeat(columns))];
    case 'html':
    case 'math':
      return sourceLines(block.raw.trimEnd(), columns);
    case 'space':
    case 'checkbox': // the marker of its item
      return [];
    default:
      return paragraph(block.raw.trim(), columns);
  }
}

function paragraph(text: string, columns: number): string[] {
  return text === '' ? [] : wrapLines(text, columns);
}

/** The part of a paragraph after its first `ink` code units, as `inkOf` counts them. */
export function paragraphLines({ tokens }: Tokens.Paragraph, options: RenderOptions, ink: number): string[] {
  return paragraph(withoutInk(inlineText(tokens, options), ink), options.columns);
}

/** Without colours a heading keeps its marks, which distinguish it from a short paragraph. */
function heading({ depth, tokens }: Tokens.Heading, options: RenderOptions): string[] {
  const { theme } = options;
  const text = inlineText(tokens, options);
  if (text === '') return [];
  if (theme.look.color === 0) return wrapLines(`${'#'.repeat(depth)} ${text}`, options.columns);
  const strong = theme.accent(theme.strong(text));
  return wrapLines(depth === 1 ? theme.underline(strong) : strong, options.columns);
}

function quote(block: Tokens.Blockquote, options: RenderOptions): string[] {
  const bar = options.theme.dim(options.theme.glyphs.quote);
  const draw = (columns: number) => blocksLines(block.tokens as MarkdownToken[], { ...options, columns });
  const lines = nested(options.columns, columnsOf(bar) + 1, draw);
  return lines ? lines.map((line) => (line === '' ? bar : `${bar} ${line}`)) : draw(options.columns);
}

/** Undefined if `indent` leaves too few columns. */
function nested(columns: number, indent: number, draw: (columns: number) => string[]): string[] | undefined {
  return columns - indent < LEAST ? undefined : draw(columns - indent);
}

/** Renders the items. @param start number of the first one, in a numbered list */
export function listLines(list: Tokens.List, options: RenderOptions, start: number): string[] {
  return list.items.flatMap((item, i) => {
    const lines = itemLines(item, list.ordered ? start + i : undefined, options);
    return i > 0 && endsBlank(list.items[i - 1]!.raw) ? ['', ...lines] : lines;
  });
}

/** Keeps the empty lines of the source, so that an item does not depend on later ones. */
export function endsBlank(raw: string): boolean {
  return /\n[ \t]*\n\s*$/.test(raw);
}

function itemLines(item: Tokens.ListItem, number: number | undefined, options: RenderOptions): string[] {
  const { columns, theme } = options;
  const mark = marker(item, number, options);
  const indent = columnsOf(mark) + 1;
  const draw = (width: number) =>
    childrenLines(item.tokens as MarkdownToken[], { ...options, columns: width });
  const lines = nested(columns, indent, draw);
  const painted = theme.accent(mark);
  if (!lines) return [truncate(painted, columns, ''), ...draw(columns)];
  if (lines.length === 0) return [painted];
  return lines.map((line, i) => {
    if (i === 0) return `${painted} ${line}`;
    return line === '' ? '' : ' '.repeat(indent) + line;
  });
}

function marker(item: Tokens.ListItem, number: number | undefined, { theme }: RenderOptions): string {
  const { bullet, on, off } = theme.glyphs;
  const task = theme.look.ascii ? (item.checked ? '[x]' : '[ ]') : item.checked ? on : off;
  if (number === undefined) return item.task ? task : bullet;
  const mark = `${number}${/^\s*\d+([.)])/.exec(item.raw)?.[1] ?? '.'}`;
  return item.task ? `${mark} ${task}` : mark;
}

/** Renders the blocks of an item, with the empty lines of the source. */
function childrenLines(blocks: readonly MarkdownToken[], options: RenderOptions): string[] {
  const lines: string[] = [];
  let blank = false;
  for (const block of blocks) {
    const drawn = blockLines(block, options);
    if (drawn.length > 0) {
      if (blank && lines.length > 0) lines.push('');
      lines.push(...drawn);
      blank = false;
    }
    blank ||= block.type === 'space' || endsBlank(block.raw);
  }
  return lines;
}
