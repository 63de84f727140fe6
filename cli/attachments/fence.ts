/** Text of a file in a message, as fenced code. */
import { extname } from 'node:path';

/** Uses a fence longer than any run of backticks in the text. */
export function fenced(content: string, language: string): string {
  const longest = Math.max(2, ...Array.from(content.matchAll(/`{3,}/g), ([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const newline = content === '' || content.endsWith('\n') ? '' : '\n';
  return `${fence}${language}\n${content}${newline}${fence}`;
}

/** Of the file `path`: its extension, or nothing. */
export function languageOf(path: string): string {
  const extension = extname(path);
  return /^\.\w+$/.test(extension) ? extension.slice(1) : '';
}
