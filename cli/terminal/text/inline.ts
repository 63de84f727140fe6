/** Renders inline elements: emphasis, code, links. The result is one string. A `\n` in it is a hard break. */
import type { Token, Tokens } from 'marked';
import { terminalText } from '../terminal-text.ts';
import type { RenderOptions } from '../theme.ts';
import { decodeEntities } from './entities.ts';
import type { MarkdownToken } from './lexer.ts';
import { LINK_END } from './pen.ts';

type InlineOptions = Pick<RenderOptions, 'theme' | 'hyperlinks'>;

/** The text of a block without spaces at its ends and around breaks. */
export function inlineText(tokens: readonly Token[] | undefined, options: InlineOptions): string {
  return inline(tokens, options)
    .replace(/ *\n */g, '\n')
    .trim();
}

/** @param linked true inside the text of a link, which cannot contain another */
function inline(tokens: readonly Token[] | undefined, options: InlineOptions, linked = false): string {
  return (tokens ?? []).map((token) => inlineToken(token as MarkdownToken, options, linked)).join('');
}

function inlineToken(token: MarkdownToken, options: InlineOptions, linked: boolean): string {
  const { theme } = options;
  const children = (tokens: readonly Token[] | undefined) => inline(tokens, options, linked);
  const colored = theme.look.color > 0;
  switch (token.type) {
    case 'text':
      return token.tokens ? children(token.tokens) : prose(decodeEntities(token.text));
    case 'escape':
      return prose(token.text);
    case 'strong':
      return theme.strong(children(token.tokens));
    case 'em':
      return theme.italic(children(token.tokens));
    case 'del': // without colours the marks stay, because struck-out text means the opposite
      return colored ? theme.strike(children(token.tokens)) : `~~${children(token.tokens)}~~`;
    case 'codespan':
      return colored ? theme.code(code(token.text)) : `\`${code(token.text)}\``;
    case 'br':
      return '\n';
    case 'link':
      return link(token, options, linked);
    case 'image':
      return image(token, options, linked);
    case 'html':
      return /^<br *\/?>$/i.test(token.text) ? '\n' : prose(token.text);
    case 'math':
      return token.raw.trim().split('\n').map(prose).join('\n');
    case 'checkbox':
      return ''; // the marker of its item
    default:
      return prose(token.raw);
  }
}

/** Cleans the text again, because references can name any character. White space becomes one space. */
function prose(text: string): string {
  return terminalText(text).replace(/[ \t\n]+/g, ' ');
}

function code(text: string): string {
  return terminalText(text).replace(/[\t\n]/g, ' ');
}

/** The address in the label of a link. `another`: it looks like an address, but not the link's. */
type Shows = 'address' | 'another' | 'nothing';

function link(token: Tokens.Link, options: InlineOptions, linked: boolean): string {
  const text = inline(token.tokens, options, true).replaceAll('\n', ' ');
  const url = prose(decodeEntities(token.href)).trim();
  if (linked || url === '') return text;
  const plain = prose(decodeEntities(token.text));
  const address = url === plain || url === `mailto:${plain}` || url === `http://${plain}`;
  const another = /^(?:https?:\/\/|www\.)/i.test(plain);
  return labelled(text || url, url, address ? 'address' : another ? 'another' : 'nothing', options);
}

function image(token: Tokens.Image, options: InlineOptions, linked: boolean): string {
  const label = `[image: ${prose(decodeEntities(token.text))}]`;
  const url = prose(decodeEntities(token.href)).trim();
  return linked || url === '' ? label : labelled(label, url, 'nothing', options);
}

/** A link. Its address is written out if neither the label nor the terminal shows it. */
function labelled(label: string, url: string, shows: Shows, { theme, hyperlinks }: InlineOptions): string {
  const target = hyperlinks && theme.look.color > 0 ? linkTarget(url) : undefined;
  const shown = theme.underline(label);
  const linked = target === undefined ? shown : `\x1b]8;;${target}\x07${shown}${LINK_END}`;
  const known = shows === 'address' || (shows === 'nothing' && target !== undefined);
  return known ? linked : `${linked} ${theme.dim(`(${url})`)}`;
}

const PROTOCOLS = new Set(['http:', 'https:', 'mailto:']);

/** `url` as printable ASCII for OSC 8. Undefined if a terminal should not open it. */
function linkTarget(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, href } = new URL(url);
  return PROTOCOLS.has(protocol) && /^[!-~]+$/.test(href) ? href : undefined;
}
