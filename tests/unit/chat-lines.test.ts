import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { type ChatState, INITIAL_STATE } from '../../cli/chat/chat-state.ts';
import type { InspectedToken, TokenAttention } from '../../cli/chat/inspection.ts';
import { attentionShares, peakWeights } from '../../cli/chat/inspection.ts';
import { type Lane, lanesOf, textAfter } from '../../cli/chat/race.ts';
import { tokenName, tokenTexts, visible } from '../../cli/chat/token-text.ts';
import { hyperlinks, reflows } from '../../cli/terminal/look.ts';
import { themeOf } from '../../cli/terminal/theme.ts';
import { originLines } from '../../cli/tui/chat/entry-lines.ts';
import { inspectorLines } from '../../cli/tui/chat/inspector-lines.ts';
import { raceLines } from '../../cli/tui/chat/race-lines.ts';
import {
  footerLine,
  inThousands,
  liveTail,
  queuedLines,
  readingLine,
} from '../../cli/tui/chat/status-lines.ts';
import { TokenStream } from '../../cli/tui/chat/token-stream.ts';
import type { AnswerOrigin } from '../../core/conversation.ts';

const PLAIN = themeOf({ color: 0, background: 'dark', ascii: true });
const COLORED = themeOf({ color: 3, background: 'dark', ascii: false });
const SIZES = [20, 40, 80, 120];

const MODEL = {
  ...{ reference: 'm', name: 'SmolLM2-135M-Instruct', type: 'Q4_1', bytes: 98e6 },
  ...{ backend: 'cpu', device: '2 threads', contextLength: 8192 },
};
const IDLE: ChatState = { ...INITIAL_STATE, phase: 'idle', model: MODEL, contextUsed: 100 };
const SPEED = { tokens: 12, seconds: 0.3, tokensPerSecond: 38.24, recent: [10, 30, 38] };

describe('the footer', () => {
  const screen = (columns: number) => ({ columns, rows: 24 });

  it('shows model, backend and how full the context is; the speed while an answer comes', () => {
    const start = '  SmolLM2-135M-Instruct - cpu';
    const meter = '[        ] 100/8.0k';
    const answering: ChatState = { ...IDLE, speed: SPEED, phase: 'answering' };
    expect(footerLine({ ...IDLE, contextUsed: 0 }, screen(100), PLAIN)).toBe(`${start} - /help`);
    expect(footerLine({ ...IDLE, speed: SPEED }, screen(100), PLAIN)).toBe(`${start} - ${meter} - /help`);
    expect(footerLine(answering, screen(100), PLAIN)).toMatch(/Esc stops - 38\.2 tok\/s - \S+$/);
    expect(footerLine(answering, screen(100), PLAIN)).toContain(`${start} - ${meter} - Esc stops`);
  });

  it('drops the sparkline, then the name before the figures', () => {
    const answering: ChatState = { ...IDLE, speed: SPEED, phase: 'answering' };
    expect(footerLine(answering, screen(80), PLAIN)).toMatch(/SmolLM2.*38\.2 tok\/s$/);
    expect(footerLine(answering, screen(60), PLAIN)).toMatch(/^ {2}cpu.*Esc stops - 38\.2 tok\/s$/);
  });

  it.each(SIZES)('keeps its parts where they are in %i columns while an answer comes', (columns) => {
    const answering: ChatState = { ...IDLE, phase: 'answering' };
    const speeds = [0, 9.9, 38.2, 812.3].map((tokensPerSecond, i) => ({
      ...SPEED,
      ...{ tokensPerSecond, recent: SPEED.recent.slice(0, i) },
    }));
    const lines = speeds.map((speed) => footerLine({ ...answering, speed }, screen(columns), PLAIN));
    const starts = lines.map((line) => line.slice(0, lines[0]!.length));
    expect(starts).toEqual(starts.map(() => lines[0]));
  });

  it.each(SIZES)('fits %i columns in every phase', (columns) => {
    const states: ChatState[] = [
      INITIAL_STATE,
      { ...INITIAL_STATE, loading: { stage: 'downloading smollm2', done: 5e6, total: 98e6 } },
      { ...IDLE, speed: SPEED, phase: 'answering' },
      { ...IDLE, contextUsed: 8000 },
    ];
    for (const state of states) {
      for (const theme of [PLAIN, COLORED]) {
        expect(stringWidth(footerLine(state, screen(columns), theme))).toBeLessThan(columns);
      }
    }
  });

  it('shows as a number what a colour shows', () => {
    const full = footerLine({ ...IDLE, contextUsed: 8000 }, screen(80), COLORED);
    expect(full).toContain('\x1b[31m');
    expect(full).toContain('7.8k/8.0k');
  });

  it('counts in thousands of 1024', () => {
    expect([999, 1024, 2650, 131072].map(inThousands)).toEqual(['999', '1.0k', '2.6k', '128k']);
  });
});

describe('the lines above the editor', () => {
  it('are the end of the answer, and the number of lines above', () => {
    const lines = Array.from({ length: 10 }, (_, i) => `line ${i}`);
    expect(liveTail(lines, 10, PLAIN)).toEqual(lines);
    expect(liveTail(lines, 3, PLAIN)).toEqual(['  ... 8 lines above', 'line 8', 'line 9']);
  });

  it('are the progress of the prompt, in numbers too', () => {
    expect(readingLine({ done: 512, total: 2048, tokensPerSecond: 310 }, 80, PLAIN)).toBe(
      '  reading #####                512/2048 tokens - 310 tok/s',
    );
  });

  it('are the queued messages, each on one line', () => {
    expect(queuedLines(['a\nb', 'c'], 80, PLAIN)).toEqual(['  next: a b', '  next: c']);
    expect(queuedLines(['1', '2', '3', '4', '5'], 80, PLAIN)[0]).toBe('  2 more queued');
  });
});

const alternatives = [
  { id: 1, name: ' sky', probability: 0.6 },
  { id: 2, name: ' sea', probability: 0.3 },
];
const TOKENS: InspectedToken[] = [
  { id: 5, name: 'The', text: 'The', probability: 0.9, alternatives },
  { id: 1, name: ' sky', text: ' sky', probability: 0.6, alternatives },
  { id: 7, name: '.\n', text: '.\n', probability: 0.02, alternatives },
];
/** Two layers, one head, three positions. */
const ATTENTION: TokenAttention = {
  ...{ heads: [1, 1], positions: 3 },
  weights: Float32Array.of(0.5, 0.3, 0.2, 0.9, 0.1, 0),
  names: ['<s>', 'Why', ' blue'],
  texts: ['<s>', 'Why', ' blue'],
  controls: [true, false, false],
};

describe('the summary of attention', () => {
  it('separates the first token and distributes the rest', () => {
    const { sink, shares } = attentionShares(ATTENTION);
    expect(sink).toBeCloseTo(0.7, 6);
    expect(shares[0]).toBe(0);
    expect(shares[1]).toBeCloseTo(0.4 / 0.6, 6);
    expect(shares[1]! + shares[2]!).toBeCloseTo(1, 6);
  });

  it('reads one layer and one head', () => {
    expect(attentionShares(ATTENTION, 1, 0).sink).toBeCloseTo(0.9, 6);
    expect(attentionShares(ATTENTION, 0).shares[2]).toBeCloseTo(0.4, 6);
  });

  it('measures how strongly each head focuses on one word', () => {
    expect(peakWeights(ATTENTION)).toEqual([[expect.closeTo(0.3, 6)], [expect.closeTo(0.1, 6)]]);
  });

  it('shows a character of several tokens whole, with what they have together', () => {
    const part = (name: string, text: string, probability: number) => ({
      ...{ id: 3, name, text, probability },
      alternatives: [{ id: 3, name, probability }],
    });
    const tokens = [part('<E6>', '', 0.5), part('<8891>', '我', 0.1), part('爱', '爱', 0.9)];
    const at = (chosen: number) => ({ kind: 'alternatives', tokens, at: chosen, alternative: 0 }) as const;
    const room = { columns: 100, rows: 20 };
    expect(inspectorLines(at(2), room, COLORED)[1]).toContain(COLORED.probability(0.05, '我'));
    expect(inspectorLines(at(0), room, PLAIN).join('\n')).toMatch(
      /\[<E6>\]我爱[\s\S]*50\.0 % #+ +<E6> chosen/,
    );
  });

  it('shows tokens on one line', () => {
    expect(visible(' a\n\tb', PLAIN)).toBe('_a\\n\\tb');
    expect(visible(' a', COLORED)).toBe('␣a');
  });
});

describe('the text of tokens', () => {
  const bytes = [[0x20, 0xe6], [0x88], [0x91, 0x61], [0xf0, 0x9f], [0x0a]];
  const tokenizer = { tokenBytes: (id: number) => Uint8Array.from(bytes[id]!) };

  it('is that of whole characters, with the last token that makes them', () => {
    expect(tokenTexts(tokenizer, [0, 1, 2, 4])).toEqual([' ', '', '我a', '\n']);
    expect(tokenTexts(tokenizer, [0, 4, 3])).toEqual([' ', '\ufffd\n', '\ufffd']);
  });

  it('is bytes, for a token by itself that is no text', () => {
    expect([0, 1, 2, 3, 4].map((id) => tokenName(tokenizer, id))).toEqual([
      ...['<20E6>', '<88>', '<9161>', '<F09F>', '\n'],
    ]);
  });
});

describe('the inspector', () => {
  const state = { kind: 'alternatives', tokens: TOKENS, at: 1, alternative: 1 } as const;

  it('shows the alternatives of a token', () => {
    const text = inspectorLines(state, { columns: 100, rows: 20 }, PLAIN).join('\n');
    expect(text).toContain('The[_sky].');
    expect(text).toMatch(/60\.0 % #+ +_sky chosen/);
    expect(text).toMatch(/^> +30\.0 % #+ +_sea/m);
  });

  it('says what the colours mean, where there are any', () => {
    const room = { columns: 100, rows: 20 };
    const [title] = inspectorLines(state, room, COLORED);
    expect(title).toContain(COLORED.probability(0.1, '10 %'));
    expect(title).toContain(COLORED.probability(0, 'less'));
    expect(inspectorLines(state, room, PLAIN)[0]).toBe('Alternatives');
  });

  it('shows its attention, with marks if there are no colours', () => {
    const text = inspectorLines(
      { ...state, kind: 'attention', attention: ATTENTION },
      { columns: 100, rows: 20 },
      PLAIN,
    );
    expect(text.join('\n')).toContain('Why** blue*[_sky]');
    expect(text.join('\n')).toContain('all 2 layers, all 1 heads; 70 % on the first token (sink)');
  });

  it('explains the map of all heads below it, on as many lines as needed', () => {
    for (const columns of [80, 120]) {
      const lines = inspectorLines(
        { ...state, kind: 'attention', attention: ATTENTION },
        { columns, rows: 20 },
        COLORED,
      );
      const text = lines.join('\n').replace(/\x1b\[\d+m/g, '');
      expect(text).toMatch(/ layers across, heads down;/);
      expect(text).toMatch(/ one token$/m);
      expect(text).not.toContain('…');
    }
  });

  it('marks the chosen layer and head in the map', () => {
    const lines = inspectorLines(
      { ...state, kind: 'attention', attention: ATTENTION, layer: 1, head: 0 },
      { columns: 120, rows: 20 },
      COLORED,
    ).map((line) => line.replace(/\x1b\[[\d;]+m/g, ''));
    const row = lines.findIndex((line) => line.includes('▀▀‹'));
    expect(row).toBeGreaterThan(0);
    expect(lines[row + 1]!.indexOf('^')).toBe(lines[row]!.indexOf('▀▀') + 1);
  });

  it.each(SIZES)('fits %i columns and its rows', (columns) => {
    const long = Array.from({ length: 200 }, (_, i) => ({
      ...TOKENS[0]!,
      text: ` word${i}`,
      name: ` word${i}`,
    }));
    const texts = long.map(({ text }) => text);
    const attention = {
      ...{
        heads: new Array<number>(30).fill(9),
        positions: 200,
        names: texts,
        texts,
        controls: texts.map(() => false),
      },
      weights: new Float32Array(30 * 9 * 200).fill(1 / 200),
    };
    for (const kind of ['alternatives', 'attention'] as const) {
      for (const theme of [PLAIN, COLORED]) {
        const room = { columns, rows: 14 };
        const lines = inspectorLines({ kind, tokens: long, at: 150, alternative: 0, attention }, room, theme);
        expect(lines.length).toBeLessThanOrEqual(14);
        for (const line of lines) expect(stringWidth(line)).toBeLessThan(columns);
        expect(lines.join('').replaceAll(' ', '')).toContain('word150'); // a narrow line may break it
      }
    }
  });
});

describe('the line below an answer', () => {
  const origin = {
    ...{ model: 'm', backend: 'cpu', seed: 1, finish: 'stop', promptTokens: 40, cachedTokens: 30 },
    ...{ completionTokens: 5, prefillMs: 100, decodeMs: 400 },
  } as unknown as AnswerOrigin;

  const shown = (answer: AnswerOrigin, columns = 80) =>
    originLines(answer, undefined, { theme: PLAIN, columns });

  it('counts what was written and what was read', () => {
    expect(shown(origin)).toEqual(['  5 tokens - 10.0 tok/s - read 10 in 0.10 s']);
    expect(shown(origin, 30)).toEqual(['  5 tokens - 10.0 tok/s - read', '  10 in 0.10 s']);
  });

  it('counts nothing that is not known: reading from a cache that held more, an answer that was killed', () => {
    expect(shown({ ...origin, cachedTokens: 44 })).toEqual(['  5 tokens - 10.0 tok/s']);
    const killed = {
      ...origin,
      completionTokens: 0,
      decodeMs: 0,
      prefillMs: 0,
      finish: 'broken-off',
    } as const;
    expect(shown(killed)).toEqual(['  interrupted']);
  });
});

describe('a race', () => {
  const [waiting] = lanesOf(['cpu']);
  const pieces = [0, 1, 2, 3].map((i) => ({ ms: 100 * i, text: `w${i} ` }));
  const cpu: Lane = {
    ...waiting!,
    status: 'finished',
    pieces,
    tokensPerSecond: 10,
    readMs: 50,
    promptTokens: 5,
  };
  const other: Lane = {
    ...cpu,
    name: 'webgpu',
    status: 'running',
    pieces: pieces.slice(0, 1),
    tokensPerSecond: 2,
  };

  it('knows the time of each token', () => {
    expect(textAfter(cpu, 150)).toEqual({ text: 'w0 w1 ', tokens: 2 });
    expect(textAfter(cpu, 10_000).tokens).toBe(4);
    expect(textAfter(cpu, -1).tokens).toBe(0);
  });

  it('replays the finished lane beside the running one', () => {
    const state = { prompt: 'go', lanes: [cpu, other], clock: 1000, over: false };
    const lines = raceLines(state, { columns: 100, rows: 12 }, PLAIN, 1250).join('\n');
    expect(lines).toContain('webgpu is running, cpu is replayed beside it: 0.3 s');
    expect(lines).toMatch(/w0 w1 w2\s+\| w0/);
    expect(lines).not.toContain('w3');
  });

  it('marks the faster lane when both have finished', () => {
    const state = {
      prompt: 'go',
      lanes: [cpu, { ...other, status: 'finished' as const }],
      clock: 0,
      over: true,
    };
    const [, first, second] = raceLines(state, { columns: 100, rows: 12 }, PLAIN, 9e9);
    expect(first).toMatch(/^\+ cpu/);
    expect(second).toMatch(/^ {2}webgpu/);
  });

  it.each(SIZES)('fits %i columns', (columns) => {
    const state = { prompt: 'a long prompt '.repeat(20), lanes: [cpu, other], clock: 1, over: false };
    const lines = raceLines(state, { columns, rows: 10 }, COLORED, 400);
    expect(lines.length).toBeLessThanOrEqual(10);
    for (const line of lines) expect(stringWidth(line)).toBeLessThan(columns);
  });
});

describe('coloured tokens', () => {
  const token = (logprob: number) => ({ id: 1, logprob, top: [] });

  it('are plain if certain, underlined if not, and final line by line', () => {
    const stream = new TokenStream({ theme: COLORED, columns: 40 });
    expect(stream.push('sure', token(Math.log(0.99)))).toEqual([]);
    const [line] = stream.push(' unsure\nnext', token(Math.log(0.01)));
    expect(line).toBe('sure\x1b[31m\x1b[4m unsure\x1b[24m\x1b[39m');
    expect(stream.live().join('')).toContain('next');
    expect(stream.end()).toHaveLength(1);
    expect(stream.live()).toEqual([]);
  });

  it('cannot move the cursor', () => {
    const stream = new TokenStream({ theme: PLAIN, columns: 40 });
    expect(stream.push('\x1b[2J\x1b]0;t\x07\u202e\n', token(0)).join('')).not.toMatch(/[\x1b\x07\u202e]/);
  });
});

describe('lines that a narrower terminal rewraps', () => {
  it.each([
    [{ TMUX: '/tmp/x', TERM: 'screen-256color' }, true],
    [{ VTE_VERSION: '6003' }, true],
    [{ TERM_PROGRAM: 'WezTerm' }, true],
    [{ TERM: 'xterm-kitty' }, true],
    [{ TERM_PROGRAM: 'vscode', TERM: 'xterm-256color' }, false],
    [{ TERM: 'xterm-256color' }, false],
    [{ TERM: 'screen' }, false],
  ])('%o: %s', (env, expected) => {
    expect(reflows(env)).toBe(expected);
  });
});

describe('links', () => {
  it.each([
    [{ TERM_PROGRAM: 'WezTerm' }, true],
    [{ TERM: 'xterm-kitty' }, true],
    [{ VTE_VERSION: '6003' }, true],
    [{ VTE_VERSION: '4800' }, false],
    [{ TERM: 'xterm-kitty', TMUX: '/tmp/x' }, false],
    [{ TERM: 'xterm-256color' }, false],
  ])('%o: %s', (env, expected) => {
    expect(hyperlinks(env)).toBe(expected);
  });
});
