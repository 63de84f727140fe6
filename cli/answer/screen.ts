/**
 * Prints an answer on a terminal as Markdown while it is generated. What draws it is loaded after the first token, which
 * is shown as it is, so that it does not wait.
 */
import type { Options } from '../arguments/options.ts';
import type { Output } from '../output.ts';
import { isInForeground } from '../processes.ts';
import { wantsPlainLines } from '../terminal/look.ts';
import type { AnswerDrawing } from './drawing.ts';
import type { AnswerPrinter } from './printer.ts';

/** Whether stdout is a terminal on which lines may be drawn. In the background they would cover what the user types. */
export function isForScreen({ rawOutput, screenReader }: Options, output: Output): boolean {
  return output.interactive && !rawOutput && !wantsPlainLines(screenReader) && isInForeground();
}

/** Text that looks the same in Markdown, if no mark follows, and that fits on one row. */
const PLAIN = /^[\p{L}\p{N}][^\p{Cc}*_`[\]|]{0,19}$/u;

const ERASE_ROW = '\r\x1b[K';

export function screenAnswer(output: Output, terminal = process.stdout): AnswerPrinter {
  let drawing: AnswerDrawing | undefined;
  let loading: Promise<AnswerDrawing> | undefined;
  let held = ''; // text before the drawing begins
  const load = async (erase: string) => {
    const { AnswerDrawing } = await import('./drawing.ts');
    drawing = new AnswerDrawing({ output, terminal, erase });
    drawing.push(held);
    return drawing;
  };
  return {
    async token({ text }) {
      if (drawing) return drawing.push(text);
      held += text;
      if (loading || held.trim() === '') return;
      const shown = PLAIN.test(held.trimStart()) ? held.trimStart() : '';
      await output.print(shown);
      loading = load(shown === '' ? '' : ERASE_ROW);
    },
    async end(result) {
      if (loading) (await loading).end();
      else if (result) await output.print('\n');
    },
  };
}
