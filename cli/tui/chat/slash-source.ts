import type { Choice } from '../../chat/commands/slash-command.ts';
import { type CompletionSource, ranked } from '../editor/completion.ts';

/** Slash commands and their arguments, where the whole text is one command line and the cursor at its end. */
export function slashSource(choicesFor: (line: string) => Promise<readonly Choice[]>): CompletionSource {
  return (text, cursor) => {
    if (!text.startsWith('/') || text.includes('\n') || cursor < text.length) return undefined;
    const start = text.search(/\S*$/);
    return choicesFor(text).then((choices) => ({
      start,
      end: cursor,
      items: ranked(choices, text.slice(start), ({ value }) => value).map(({ value, detail }) => ({
        ...{ value, detail, label: value },
      })),
    }));
  };
}
