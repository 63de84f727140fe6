import { readModel } from '../../core/read-model.ts';
import { tokenizerFromGguf } from '../../core/tokenizer/index.ts';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.ts';
import { UserError } from '../../errors.ts';
import type { Options } from '../arguments/options.ts';
import type { Call, Context } from '../command.ts';
import { readStdin } from '../input.ts';
import { modelFile } from '../model-file.ts';
import { stdinIsTerminal } from '../stdin.ts';

/** Converts text to ids and adds none. A file with only a vocabulary is enough. */
export async function tokenize(call: Call): Promise<void> {
  const { options, output } = call;
  const text = await textOf(call);
  const tokenizer = await tokenizerOf(options, call);
  const encode = (part: string) => tokenizer.encode(part, { special: options.special });
  if (options.jsonl) {
    for (const line of jsonLines(text)) await output.json(encode(line));
    return;
  }
  const ids = encode(text);
  if (options.json) return output.json({ ids, pieces: ids.map((id) => tokenizer.piece(id)) });
  await output.print(`${ids.join(' ')}\n`);
}

/** The tokenizer of --model. Reads no weights. */
export async function tokenizerOf(options: Options, context: Context): Promise<Tokenizer> {
  const { path } = await modelFile(options.model ?? '', options, context);
  return tokenizerFromGguf(await readModel(path), undefined, options.pre);
}

/** The operands as one text. For `-`, or without operands in a pipe, stdin, unchanged. */
async function textOf({ operands, options }: Call): Promise<string> {
  const [first] = operands;
  if (first === '-' || (first === undefined && !stdinIsTerminal())) return readStdin();
  if (first !== undefined && !options.jsonl) return operands.join(' ');
  throw new UserError(
    options.jsonl ? '--jsonl reads JSON strings from stdin, one a line.' : 'There is no text to tokenize.',
    options.jsonl ? 'Run: percept tokenize --jsonl - < strings.jsonl' : 'Run: percept tokenize "some text"',
    { kind: 'usage' },
  );
}

function* jsonLines(text: string): Generator<string> {
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const value = parsed(line);
    if (typeof value === 'string') yield value;
    else {
      throw new UserError(
        `Expected a JSON string on line ${i + 1} of stdin, got ${line.slice(0, 60)}.`,
        'Each line looks like this: "some text"',
        { kind: 'usage' },
      );
    }
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
