/**
 * Colours code with highlight.js, line by line. A line is coloured once, from the lines before it, so that lines on the
 * screen never change. If a comment or a string is open at the end of a line, the lines since its start are parsed again
 * together with the next line.
 */
import type { CompiledMode, Emitter, LanguageFn } from 'highlight.js';
import core from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import markdown from 'highlight.js/lib/languages/markdown';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import shell from 'highlight.js/lib/languages/shell';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import type { SyntaxRole, Theme } from '../theme.ts';

/** Languages by their names in highlight.js. Aliases are below. */
const LANGUAGES: Readonly<Record<string, LanguageFn>> = {
  bash,
  c,
  cpp,
  css,
  diff,
  go,
  java,
  javascript,
  json,
  markdown,
  python,
  rust,
  shell,
  sql,
  typescript,
  xml,
  yaml,
};

/** A name in each row, then its aliases on fences. */
const ALIASES = new Map(
  [
    'bash sh zsh fish',
    'c h',
    'cpp c++ cc cxx hpp hh cuda cu metal glsl hlsl',
    'css scss less',
    'diff patch',
    'go golang',
    'javascript js jsx mjs cjs node',
    'json jsonc json5 jsonl ndjson',
    'markdown md mdx',
    'python py python3 py3 pyi ipython pycon',
    'rust rs',
    'shell console terminal session shellsession',
    'sql mysql postgres postgresql postgres sqlite',
    'typescript ts tsx mts cts',
    'xml html xhtml svg vue svelte htm',
    'yaml yml',
  ].flatMap((row) => {
    const [name, ...others] = row.split(' ');
    return others.map((other) => [other, name!] as const);
  }),
);

const MOST_CONTEXT = 16; // lines parsed again
const LONGEST_LINE = 2000; // code units; longer lines are not written by people and stay plain

type Role = SyntaxRole | 'added' | 'removed' | 'plain';

/** Scopes of highlight.js. A scope without an entry is looked up by its first part. */
const ROLES: Readonly<Record<string, Role>> = {
  keyword: 'keyword',
  literal: 'keyword',
  'selector-tag': 'keyword',
  name: 'keyword', // of a tag
  'variable.language': 'keyword', // this, self
  string: 'string',
  regexp: 'string',
  link: 'string',
  code: 'string',
  char: 'string',
  number: 'number',
  symbol: 'number',
  bullet: 'number',
  comment: 'comment',
  quote: 'comment',
  doctag: 'comment',
  title: 'title',
  section: 'title',
  attr: 'title',
  attribute: 'title',
  'selector-id': 'title',
  'selector-class': 'title',
  'title.class': 'type',
  type: 'type',
  built_in: 'type',
  class: 'type',
  meta: 'meta',
  addition: 'added',
  deletion: 'removed',
  subst: 'plain',
  params: 'plain',
};

interface Span {
  text: string;
  readonly role: Role;
}

/** Collects the result of highlight.js as a flat list. Of nested scopes, the innermost known one counts. */
class SpanEmitter implements Emitter {
  readonly spans: Span[] = [];
  readonly #roles: Role[] = ['plain'];

  addText(text: string): void {
    const role = this.#roles.at(-1)!;
    const last = this.spans.at(-1);
    if (last?.role === role) last.text += text;
    else if (text !== '') this.spans.push({ text, role });
  }

  startScope(name: string): void {
    this.#roles.push(roleOf(name) ?? this.#roles.at(-1)!);
  }

  endScope(): void {
    if (this.#roles.length > 1) this.#roles.pop();
  }

  openNode(name: string): void {
    this.startScope(name);
  }

  closeNode(): void {
    this.endScope();
  }

  __addSublanguage(emitter: Emitter): void {
    for (const span of (emitter as SpanEmitter).spans) this.spans.push({ ...span });
  }

  finalize(): void {}

  toHTML(): string {
    return '';
  }
}

function roleOf(scope: string): Role | undefined {
  // In a scope of several parts, all but the first end in an underscore: title.class_
  const parts = scope.split('.').map((part, i) => (i === 0 ? part : part.replace(/_+$/, '')));
  return ROLES[parts.join('.')] ?? ROLES[parts[0]!];
}

const hljs = core.newInstance();
hljs.configure({ __emitter: SpanEmitter });

/** Registers a language and returns its name for `hljs`. Undefined for an unknown language. */
function ready(fence: string): string | undefined {
  const lower = fence.toLowerCase();
  const name = ALIASES.get(lower) ?? lower;
  if (!Object.hasOwn(LANGUAGES, name)) return undefined;
  if (!hljs.getLanguage(name)) {
    hljs.registerLanguage(name, LANGUAGES[name]!);
    for (const part of PARTS[name] ?? []) ready(part);
  }
  return name;
}

/** Languages that contain others. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  xml: ['css', 'javascript'],
  javascript: ['xml', 'css'],
  typescript: ['xml', 'css'],
  markdown: ['xml'],
  shell: ['bash'],
};

/** Colours the lines of one code block, in order. */
export class LineHighlighter {
  readonly #theme: Theme;
  readonly #language: string | undefined;
  /** Lines since the start of an open comment or string. */
  #context: string[] = [];
  /** Highlighter of the script or style sheet inside a page. */
  #embedded: LineHighlighter | undefined;

  /** @param fence the language as written on the fence */
  constructor(fence: string, theme: Theme) {
    this.#theme = theme;
    this.#language = theme.look.color > 0 ? ready(fence) : undefined;
  }

  line(text: string): string {
    if (this.#embedded && !EMBEDDED_END.test(text)) return this.#embedded.line(text);
    this.#embedded = undefined;
    const { spans, open } = this.#read(text);
    if (open) this.#context.push(text);
    else this.#context = [];
    if (this.#context.length > MOST_CONTEXT) this.#context.splice(1, 1); // the first line starts the comment or string
    if (this.#language === 'xml') this.#enter(text);
    return this.#painted(spans);
  }

  /** As `line` for a line that may continue. Keeps no state. */
  unfinishedLine(text: string): string {
    if (this.#embedded && !EMBEDDED_END.test(text)) return this.#embedded.unfinishedLine(text);
    return this.#painted(this.#read(text).spans);
  }

  /** After a line that ends in the tag of a script, the script's highlighter is used up to the closing tag. */
  #enter(text: string): void {
    const tag = EMBEDDED_START.exec(text)?.[1]?.toLowerCase();
    if (tag === undefined) return;
    this.#embedded = new LineHighlighter(tag === 'style' ? 'css' : 'javascript', this.#theme);
    this.#context = [];
  }

  #read(text: string): { spans: readonly Span[]; open: boolean } {
    const plain = { spans: [{ text, role: 'plain' }] as const, open: false };
    if (this.#language === undefined || text.length > LONGEST_LINE) return plain;
    const before = this.#context.map((line) => `${line}\n`).join('');
    const result = hljs.highlight(`${before}${text}\n`, { language: this.#language });
    const spans = cut((result._emitter as SpanEmitter).spans, before.length, text.length);
    const whole = spans.map((span) => span.text).join('') === text;
    const top = result._top as CompiledMode | undefined; // the mode at the end; the top mode has no parent
    return whole && !result.errorRaised ? { spans, open: top?.parent !== undefined } : plain;
  }

  #painted(spans: readonly Span[]): string {
    const { syntax, ok, bad } = this.#theme;
    return spans
      .map(({ text, role }) => {
        if (role === 'plain') return text;
        return role === 'added' ? ok(text) : role === 'removed' ? bad(text) : syntax[role](text);
      })
      .join('');
  }
}

const EMBEDDED_START = /<(script|style)\b[^>]*>\s*$/i;
const EMBEDDED_END = /<\/(?:script|style)\b/i;

/** The `length` code units of `spans` from `start` on. */
function cut(spans: readonly Span[], start: number, length: number): Span[] {
  const part: Span[] = [];
  let at = -start;
  for (const { text, role } of spans) {
    const kept = text.slice(Math.max(0, -at), Math.max(0, length - at));
    if (kept !== '') part.push({ text: kept, role });
    at += text.length;
  }
  return part;
}

/** Colours `code`. Plain if the language is unknown. */
export function highlight(code: string, language: string, theme: Theme): string {
  const highlighter = new LineHighlighter(language, theme);
  return code
    .split('\n')
    .map((line) => highlighter.line(line))
    .join('\n');
}
