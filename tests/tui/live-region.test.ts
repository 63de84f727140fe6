import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { withCaret } from '../../cli/terminal/caret.ts';
import { type Cell, LiveRegion } from '../../cli/terminal/live-region.ts';
import { type Random, seeded } from '../random.ts';
import { FakeTerminal } from './xterm.ts';

/** A region on a terminal whose real size may differ from the reported one. */
function open({ columns = 40, rows = 12 } = {}) {
  const terminal = new FakeTerminal(columns, rows);
  const region = new LiveRegion(terminal as unknown as NodeJS.WriteStream);
  const draw = (lines: readonly string[], caret?: Cell, drawn = false) => {
    region.place(caret);
    region.drawCaret(drawn);
    region.stdout.write(lines.join('\n'));
  };
  const drawn = async () => {
    await turn();
    await terminal.settled();
  };
  const close = async () => {
    await drawn();
    region.end();
    return terminal.lines();
  };
  return { terminal, region, draw, drawn, close };
}

describe('a live region', () => {
  it('draws a frame over the previous one, below the printed text', async () => {
    const { terminal, region, draw, drawn, close } = open();
    draw(['one', 'two', 'three'], { x: 1, y: 1 });
    await drawn();
    expect(terminal.cursor).toEqual({ x: 1, y: 1 });
    region.print(['printed']);
    draw(['one', 'four']);
    expect(await close()).toEqual(['printed', 'one', 'four']);
    expect(terminal.cursor).toEqual({ x: 0, y: 3 });
  });

  it('prints alone if no frame follows', async () => {
    const { region, draw, drawn, close } = open();
    draw(['frame']);
    await drawn();
    region.print(['printed']);
    expect(await close()).toEqual(['printed', 'frame']);
  });

  it('writes once an event-loop iteration, only changes, and nothing without changes', async () => {
    const { terminal, draw, drawn, close } = open();
    draw(['first']);
    draw(['one', 'two', 'three']);
    await drawn();
    expect(terminal.writes).toHaveLength(1);
    draw(['one', 'two', 'three']);
    await drawn();
    expect(terminal.writes).toHaveLength(1);
    draw(['one', 'new', 'three']);
    await drawn();
    expect(terminal.writes).toHaveLength(2);
    expect(terminal.writes[1]).toContain('new');
    expect(terminal.writes[1]).not.toMatch(/one|three/);
    await close();
  });

  it('passes control sequences on, and calls back when all is written', async () => {
    const { terminal, region, draw, close } = open();
    draw(['frame']);
    region.stdout.write('\x1b[?2004h');
    await new Promise<void>((resolve) => region.stdout.write('', () => resolve()));
    expect(terminal.writes.join('')).toContain('\x1b[?2004h');
    expect(await close()).toEqual(['frame']);
  });

  it('shows the end of a frame that is higher than the terminal, with its caret', async () => {
    const { terminal, draw, drawn, close } = open({ rows: 4 });
    draw(['1', '2', '3', '4', '5', '6'], { x: 1, y: 4 });
    await drawn();
    expect(terminal.cursor).toEqual({ x: 1, y: 2 });
    expect(await close()).toEqual(['3', '4', '5', '6']);
  });

  it('hands the terminal to another program, and buffers output meanwhile', async () => {
    const { terminal, region, draw, drawn, close } = open();
    draw(['frame', 'footer'], { x: 0, y: 1 });
    await drawn();
    region.leave();
    terminal.write('of another program\r\n');
    region.print(['printed']);
    await drawn();
    expect(await terminal.lines()).toEqual(['of another program']);
    region.enter();
    draw(['frame again']);
    expect(await close()).toEqual(['of another program', 'printed', 'frame again']);
  });

  it('clears the screen', async () => {
    const { terminal, region, draw, drawn } = open();
    region.print(['printed']);
    draw(['frame', 'footer'], { x: 3, y: 0 });
    await drawn();
    region.redraw();
    await drawn();
    expect(terminal.cursor).toEqual({ x: 3, y: 0 });
    expect((await terminal.lines()).slice(-2)).toEqual(['frame', 'footer']);
  });

  it('truncates lines for a terminal whose resize is not reported yet', async () => {
    const { terminal, region, draw, drawn, close } = open({ columns: 40 });
    region.print(['printed']);
    draw(['short']);
    await drawn();
    terminal.resize(20, 12);
    terminal.columns = 40;
    for (const letter of ['a', 'b', 'c']) {
      draw([letter.repeat(35), letter.repeat(25), letter.repeat(15)]);
      await drawn();
    }
    terminal.columns = 20;
    draw(['told']);
    expect(await close()).toEqual(['printed', 'told']);
  });

  it('adds rows if the terminal has dropped those below the cursor in an unreported resize', async () => {
    const { terminal, region, draw, drawn, close } = open({ rows: 12 });
    const printed = Array.from({ length: 8 }, (_, i) => `printed ${i}`);
    region.print(printed);
    draw(['1', '2', '3', '4']);
    await drawn();
    terminal.resize(40, 9);
    terminal.rows = 12;
    for (const letter of ['a', 'b', 'c']) {
      draw([`${letter}1`, '2', '3', `${letter}4`]);
      await drawn();
    }
    draw(['short']);
    await drawn();
    terminal.rows = 9;
    draw(['told', 'now']);
    expect(await close()).toEqual([...printed, 'told', 'now']);
  });

  it('draws the caret if the cursor is elsewhere', async () => {
    const { terminal, draw, drawn, close } = open();
    draw(['above', 'text'], { x: 4, y: 1 }, true);
    await drawn();
    expect(terminal.writes.at(-1)).toContain('text\x1b[7m \x1b[27m');
    expect(terminal.cursor).toEqual({ x: 0, y: 0 });
    await close();
  });
});

it.each([
  ['plain', 1, 'p\x1b[7ml\x1b[27main'],
  ['', 2, '  \x1b[7m \x1b[27m'],
  ['\x1b[31mred\x1b[39m!', 3, '\x1b[31mred\x1b[39m\x1b[7m!\x1b[27m'],
  ['你好', 2, '你\x1b[7m好\x1b[27m'],
  ['你好', 3, '你\x1b[7m好\x1b[27m'],
])('the caret in %j at %i', (line, x, expected) => {
  expect(withCaret(line, x)).toBe(expected);
});

/** Actions of a chat in random order, while the terminal is resized. */
class Storm {
  readonly printed: string[] = [];
  #frames = 0;
  #late = () => {};
  readonly #random: Random;
  readonly #site: ReturnType<typeof open>;

  constructor(seed: number, site: ReturnType<typeof open>) {
    this.#random = seeded(seed);
    this.#site = site;
  }

  /** @param late some sizes are reported only after further frames */
  async rage(steps: number, late: boolean): Promise<void> {
    for (let i = 0; i < steps; i++) {
      const kind = this.#random(4);
      if (kind === 0) this.#print();
      if (kind === 1) this.#resize(late);
      this.#draw();
      await this.#site.drawn();
    }
    this.#late();
    this.#draw();
    await this.#site.drawn();
  }

  #print(): void {
    const lines = Array.from({ length: 1 + this.#random(3) }, (_, i) => {
      return this.#line(`p${this.printed.length + i}-`, 'x');
    });
    this.printed.push(...lines);
    this.#site.region.print(lines);
  }

  #draw(): void {
    const { terminal, draw } = this.#site;
    const height = 1 + this.#random(Math.min(6, terminal.rows - 2));
    const lines = Array.from({ length: height }, (_, i) => this.#line(`frame${this.#frames}.${i}-`, 'y'));
    this.#frames++;
    const y = this.#random(height);
    const caret = this.#random(2) === 0 ? { x: this.#random(terminal.columns - 1), y } : undefined;
    draw(lines, caret, this.#random(2) === 0);
  }

  #line(begin: string, filling: string): string {
    return begin + filling.repeat(this.#random(this.#site.terminal.columns - begin.length));
  }

  #resize(late: boolean): void {
    this.#late();
    const { terminal } = this.#site;
    const [columns, rows] = [20 + this.#random(60), 8 + this.#random(20)];
    const known = { columns: terminal.columns, rows: terminal.rows };
    terminal.resize(columns, rows);
    if (!late) return;
    Object.assign(terminal, known);
    this.#late = () => Object.assign(terminal, { columns, rows });
  }
}

/** @param late some sizes are reported only after further frames */
async function stormed(seed: number, { late = false } = {}) {
  const site = open();
  const storm = new Storm(seed, site);
  await storm.rage(60, late);
  site.draw(['the last', 'frame']);
  await site.close();
  return { lines: await site.terminal.unwrapped(), printed: storm.printed };
}

// Rows of a frame that scrolled away are out of reach, so some may remain.
it.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'in resize storm %i, no printed line is lost or duplicated',
  async (seed) => {
    for (const late of [false, true]) {
      const { lines, printed } = await stormed(seed, { late });
      expect(lines.join('\n').match(/p\d+-x*/g)).toEqual(printed);
      expect(lines.slice(-2)).toEqual(['the last', 'frame']);
    }
  },
);
