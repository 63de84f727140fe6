/**
 * Colours of code by highlight.js, a line at a time: a line is coloured from those before it and never again, so that
 * what is on the screen stays true while more comes. Where a comment or a string is left open at the end of a line, the
 * lines since it began are read again with the next one.
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

/** By the name that highlight.js knows them by; other names for them follow. */
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

/** A name in each row and what stands on fences for it. */
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

const MOST_CONTEXT = 16; // lines read again
const LONGEST_LINE = 2000; // code units; longer ones stay plain, as no person wrote them

type Role = SyntaxRole | 'added' | 'removed' | 'plain';

/** Scopes of highlight.js, by their first part where the whole has no entry. */
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

/** Takes what highlight.js finds as a flat list: of nested scopes the innermost known one counts. */
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
  // A scope of several parts ends each but the first in an underscore: title.class_
  const parts = scope.split('.').map((part, i) => (i === 0 ? part : part.replace(/_+$/, '')));
  return ROLES[parts.join('.')] ?? ROLES[parts[0]!];
}

const hljs = core.newInstance();
hljs.configure({ __emitter: SpanEmitter });

/** The name that `hljs` takes, with the language made ready; undefined for a language that nobody knows here. */
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

/** Languages that others hold. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  xml: ['css', 'javascript'],
  javascript: ['xml', 'css'],
  typescript: ['xml', 'css'],
  markdown: ['xml'],
  shell: ['bash'],
};

/** Colours the lines of one block of code, from its first to its last. */
export class LineHighlighter {
  readonly #theme: Theme;
  readonly #language: string | undefined;
  /** Lines since something was begun that is not ended yet. */
  #context: string[] = [];
  /** Of the script or style sheet that these lines of a page are in. */
  #embedded: LineHighlighter | undefined;

  /** `fence` is the language as written on the fence. */
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
    if (this.#context.length > MOST_CONTEXT) this.#context.splice(1, 1); // the first one is what began it
    if (this.#language === 'xml') this.#enter(text);
    return this.#painted(spans);
  }

  /** The same for a line that may go on; nothing is remembered of it. */
  unfinishedLine(text: string): string {
    if (this.#embedded && !EMBEDDED_END.test(text)) return this.#embedded.unfinishedLine(text);
    return this.#painted(this.#read(text).spans);
  }

  /** Behind a line that ends in the tag of a script, its own highlighter takes over up to the closing tag. */
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
    const top = result._top as CompiledMode | undefined; // the mode at the end: that of the language has no parent
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

/** The part of `spans` from `start` on, `length` code units long. */
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

/** `code` with the colours of its language; as it is where that is unknown. */
export function highlight(code: string, language: string, theme: Theme): string {
  const highlighter = new LineHighlighter(language, theme);
  return code
    .split('\n')
    .map((line) => highlighter.line(line))
    .join('\n');
}
