import { describe, expect, it } from 'vitest';
import { codeAnswer } from '../../cli/answer/code.ts';
import { EXIT_CODES, exitCodeOf, Output } from '../../cli/output.ts';
import { firstCode } from '../../cli/terminal/text/first-code.ts';
import type { GenerateResult } from '../../core/generate.ts';

describe('the first code block of an answer', () => {
  it.each([
    ['between texts', 'Here:\n\n```sh\nls -l\n\n# end\n```\n\nThat lists.\n```\nno\n```', 'ls -l\n\n# end'],
    ['with tildes and a longer fence', '~~~~\n```\na\n```\n~~~~', '```\na\n```'],
    ['in a list', '1. First:\n\n   ```js\n   if (a)\n     b();\n   ```\n\n2. Then', 'if (a)\n  b();'],
    ['in a quote', '> ```\n> a\n> ```', 'a'],
    ['after an empty one', '```\n\n```\n\n```\na\n```', 'a'],
    ['with control characters', '```\n\x1b[1m\u202e\n```', '\x1b[1m\u202e'],
    ['with tabs and spaces at line ends', '```make\na:\n\tb  \n```', 'a:\n\tb  '],
  ])('%s', (_, markdown, code) => {
    expect(firstCode(markdown)).toEqual({ code, closed: true });
  });

  it('is open without a closing fence', () => {
    expect(firstCode('```sh\nls\nrm -r')).toEqual({ code: 'ls\nrm -r', closed: false });
  });

  it.each([
    ['no text', ''],
    ['inline code', 'Use `ls`.'],
    ['indented text', 'List:\n\n    ls\n'],
    ['an empty block', '```\n```'],
  ])('is not %s', (_, markdown) => {
    expect(firstCode(markdown)).toBeUndefined();
  });
});

describe('an answer with --extract', () => {
  const CODE = 'Sure:\n```sh\nls\n```\nDone.';
  const OPEN = 'Sure:\n```sh\nls';

  async function printed(text: string, ending: Partial<GenerateResult> = {}) {
    let out = '';
    const stream = {
      isTTY: false,
      write: (part: string) => {
        out += part;
        return true;
      },
    };
    const printer = codeAnswer(new Output({ stdout: stream as never, stderr: stream as never, env: {} }));
    await printer.token({ id: 0, text });
    expect(out).toBe('');
    const result = { text, finishReason: 'stop', ...ending } as GenerateResult;
    const failure = await printer.end(result).catch((error: unknown) => error);
    return { out, failure };
  }

  it('is the code with one newline', async () => {
    expect(await printed(CODE)).toEqual({ out: 'ls\n', failure: undefined });
    expect((await printed(CODE, { finishReason: 'length' })).out).toBe('ls\n');
    expect((await printed(OPEN)).out).toBe('ls\n'); // a model may forget the fence
  });

  it.each([
    ['there is no code', 'No.', {}],
    ['the token limit is inside the code', OPEN, { finishReason: 'length' }],
    ['a loop ends it inside the code', OPEN, { stoppedBy: 'repetition' }],
  ] as const)('is an error with its own exit code if %s', async (_, text, ending) => {
    const { out, failure } = await printed(text, ending);
    expect(out).toBe('');
    expect(exitCodeOf(failure)).toBe(EXIT_CODES['no-code']);
  });

  it('is nothing after Ctrl-C', async () => {
    expect(await printed(CODE, { finishReason: 'aborted' })).toEqual({ out: '', failure: undefined });
  });
});
