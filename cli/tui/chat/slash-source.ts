import type { Suggestion } from '../../chat/slash-commands/slash-command.ts';
import { type CompletionSource, ranked } from '../editor/completion.ts';

/** Completes slash commands and their arguments. The text must be one command line with the cursor at its end. */
export function slashSource(
  suggestionsFor: (line: string) => Promise<readonly Suggestion[]>,
): CompletionSource {
  return (text, cursor) => {
    if (!text.startsWith('/') || text.includes('\n') || cursor < text.length) return undefined;
    const start = text.search(/\S*$/);
    return suggestionsFor(text).then((suggestions) => ({
      start,
      end: cursor,
      items: ranked(suggestions, text.slice(start), ({ value }) => value).map((suggestion) => ({
        ...suggestion,
        label: suggestion.value,
      })),
    }));
  };
}
