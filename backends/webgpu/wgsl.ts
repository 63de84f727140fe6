/**
 * A preprocessor for WGSL, for kernels that exist in several forms: it chooses, includes and repeats lines. A directive
 * takes a whole line:
 *
 *   #include NAME           the text of NAME.wgsl
 *   #if A | #if !A | #if A == VALUE ... #else ... #end
 *   #for i COUNT ... #end   the lines COUNT times, with 0, 1, ... for $i; COUNT is a number or a definition
 *
 * Shapes are not definitions: they are `override` constants, set when a pipeline is created.
 */
import { readFileSync } from 'node:fs';

export type Definitions = Readonly<Record<string, string | number | boolean | undefined>>;

/** kernels/webgpu/, relative to the sources or to the bundle. */
const FOLDER = import.meta.url.endsWith('.ts')
  ? new URL('../../kernels/webgpu/', import.meta.url)
  : new URL('../kernels/webgpu/', import.meta.url);

/** The text of a kernel for these definitions. */
export function kernelSource(name: string, definitions: Definitions): string {
  return expand(readKernel(name), definitions, readKernel);
}

function readKernel(name: string): string {
  return readFileSync(new URL(`${name}.wgsl`, FOLDER), 'utf8');
}

/** Expands the directives. Throws SyntaxError for one that is unknown or not closed. */
export function expand(source: string, definitions: Definitions, include: (name: string) => string): string {
  return expandLines(source.split('\n'), definitions, include).join('\n');
}

function expandLines(
  lines: readonly string[],
  definitions: Definitions,
  include: (name: string) => string,
): string[] {
  const inner = (part: readonly string[]) => expandLines(part, definitions, include);
  const out: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const directive = /^\s*#(\w+)\s*(.*?)\s*$/.exec(lines[i]!);
    if (!directive) {
      out.push(lines[i]!);
      continue;
    }
    const [, keyword, rest] = directive;
    if (keyword === 'include') {
      out.push(...inner(include(rest!).split('\n')));
      continue;
    }
    if (keyword !== 'if' && keyword !== 'for') throw new SyntaxError(`line ${i + 1}: unexpected #${keyword}`);
    const { body, otherwise, end } = blockFrom(lines, i);
    if (keyword === 'if') out.push(...inner(holds(rest!, definitions) ? body : otherwise));
    else out.push(...repeated(rest!, body, definitions).flatMap(inner));
    i = end;
  }
  return out;
}

interface Block {
  readonly body: readonly string[];
  readonly otherwise: readonly string[]; // after #else
  readonly end: number; // line of the #end
}

/** The lines of the directive on line `start`, up to its #end. */
function blockFrom(lines: readonly string[], start: number): Block {
  let depth = 0;
  let middle: number | undefined;
  for (let i = start; i < lines.length; i++) {
    const keyword = /^\s*#(\w+)/.exec(lines[i]!)?.[1];
    if (keyword === 'if' || keyword === 'for') depth++;
    if (keyword === 'else' && depth === 1) middle = i;
    if (keyword !== 'end' || --depth > 0) continue;
    return {
      body: lines.slice(start + 1, middle ?? i),
      otherwise: middle === undefined ? [] : lines.slice(middle + 1, i),
      end: i,
    };
  }
  throw new SyntaxError(`line ${start + 1}: "${lines[start]!.trim()}" has no #end`);
}

function holds(condition: string, definitions: Definitions): boolean {
  const equal = /^(\w+)\s*==\s*([\w-]+)$/.exec(condition);
  if (equal) return String(definitions[equal[1]!]) === equal[2];
  const [, not, name] = /^(!?)(\w+)$/.exec(condition) ?? [];
  if (name === undefined) throw new SyntaxError(`cannot read the condition "${condition}"`);
  return Boolean(definitions[name]) !== (not === '!');
}

function repeated(rest: string, body: readonly string[], definitions: Definitions): string[][] {
  const [, name, limit] = /^(\w+)\s+(\w+)$/.exec(rest) ?? [];
  const count = Number(definitions[limit ?? ''] ?? limit);
  if (name === undefined || !Number.isInteger(count)) throw new SyntaxError(`cannot read "#for ${rest}"`);
  return Array.from({ length: count }, (_, i) => body.map((line) => line.replaceAll(`$${name}`, String(i))));
}
