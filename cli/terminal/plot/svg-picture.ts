/**
 * SVG as text: elements, the style sheet, and panels put together to pictures and pages. Colours follow the reader's
 * light or dark scheme. The font is that of the reader's system, so widths of text are estimates.
 */

/** A part of a picture; `body` is drawn from (0, 0) on. */
export interface Panel {
  readonly width: number; // pixels
  readonly height: number;
  readonly label: string; // for screen readers
  readonly body: string;
}

export const SERIES_COLORS = 6;

const LIGHT = {
  page: '#ffffff',
  edge: '#d1d9e0',
  ink: '#1f2328',
  note: '#59636e',
  grid: '#e4e8ec',
  roof: '#818b98',
  track: '#eff2f5',
  series: ['#0969da', '#bc4c00', '#8250df', '#1a7f37', '#bf3989', '#1b7c83'],
};
const DARK: typeof LIGHT = {
  page: '#0d1117',
  edge: '#3d444d',
  ink: '#f0f6fc',
  note: '#9198a1',
  grid: '#262c36',
  roof: '#818b98',
  track: '#1c222b',
  series: ['#58a6ff', '#f0883e', '#bc8cff', '#3fb950', '#f778ba', '#39c5cf'],
};

const FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif";

/** Rules for all that is drawn; they apply inside the class `plot`. */
export function plotStyle(): string {
  return `.plot text { font: 12px ${FONT}; font-variant-numeric: tabular-nums; }
.plot .title { font-size: 19px; font-weight: 600; }
.plot .heading { font-size: 13px; font-weight: 600; }
.plot .small { font-size: 11px; }
.plot .mark { font-size: 11px; font-weight: 700; }
.plot .tiny { font-size: 8px; }
.plot .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
.plot .faint { stroke-width: 1; opacity: 0.35; }
${colorRules(LIGHT)}
@media (prefers-color-scheme: dark) {
${colorRules(DARK)}
}`;
}

function colorRules({ page, edge, ink, note, grid, roof, track, series }: typeof LIGHT): string {
  return [
    `.plot text { fill: ${ink}; }`,
    `.plot .page { fill: ${page}; stroke: ${edge}; }`,
    `.plot .note { fill: ${note}; }`,
    `.plot .on { fill: ${page}; }`,
    `.plot .grid { stroke: ${grid}; fill: none; }`,
    `.plot .roof { stroke: ${roof}; fill: none; stroke-width: 1.5; }`,
    `.plot .track { fill: ${track}; }`,
    `.plot .whisker { stroke: ${ink}; stroke-width: 1.5; fill: none; }`,
    ...series.map((color, i) => `.plot .c${i} { color: ${color}; }`),
    '.plot .fill { fill: currentColor; }',
    '.plot .stroke { stroke: currentColor; fill: none; }',
  ].join('\n');
}

/** The class of a series; colours repeat. */
export function colorClass(color: number): string {
  return `c${color % SERIES_COLORS}`;
}

/** Text for XML and HTML; characters that XML does not allow are dropped. */
export function escapeXml(text: string): string {
  return text
    .replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element. Numbers are rounded to a tenth of a pixel; undefined attributes are left out. */
export function element(name: string, attributes: Attributes, content = ''): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? pixels(value) : escapeXml(value!)}"`)
    .join('');
  return content === '' ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

export function pixels(value: number): string {
  return `${Math.round(value * 10) / 10}`;
}

interface TextStyle {
  readonly class?: string;
  readonly anchor?: 'middle' | 'end';
}

/** A line of text; y is its baseline. */
export function textAt(x: number, y: number, text: string, style: TextStyle = {}): string {
  return element('text', { x, y, class: style.class, 'text-anchor': style.anchor }, escapeXml(text));
}

export function movedBy(x: number, y: number, body: string): string {
  return element('g', { transform: `translate(${pixels(x)} ${pixels(y)})` }, body);
}

const TEXT = 12; // pixels, as in the style
const EM_SHARE = 0.58; // mean width of a letter in a wide font

/** An estimate; East Asian letters are wider. */
export function textWidth(text: string, size = TEXT): number {
  return EM_SHARE * size * text.length;
}

/** `text` cut to `width` pixels. A long text loses its middle, because names differ at their ends. */
export function fitted(text: string, width: number, size = TEXT): string {
  if (textWidth(text, size) <= width) return text;
  const letters = Math.max(0, Math.floor(width / (EM_SHARE * size)) - 1);
  const end = Math.floor(letters / 2);
  return `${text.slice(0, letters - end)}…${text.slice(text.length - end)}`;
}

/** A panel as a picture of its own. `style`: with its rules; else the page around it has them. */
export function svgPicture({ width, height, label, body }: Panel, { style }: { style: boolean }): string {
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    class: 'plot',
    viewBox: `0 0 ${pixels(width)} ${pixels(height)}`,
    width,
    height,
    role: 'img',
    'aria-label': label,
  };
  const rules = style ? `<style>\n${plotStyle()}\n</style>\n` : '';
  return element('svg', attributes, `\n<title>${escapeXml(label)}</title>\n${rules}${body}\n`);
}

const TITLE = 19; // pixels, as in the style
const MARGIN = 28;
const GAP = 28;

/** Rows of panels below a title and notes, on a coloured page. */
export function svgPage(
  { title, notes, width }: { title: string; notes: readonly string[]; width: number },
  rows: readonly (readonly Panel[])[],
): string {
  const head = [
    textAt(MARGIN, MARGIN + 16, fitted(title, width - 2 * MARGIN, TITLE), { class: 'title' }),
    ...notes.map((note, i) => textAt(MARGIN, MARGIN + 38 + 18 * i, note, { class: 'note' })),
  ];
  let y = MARGIN + 30 + 18 * notes.length + GAP / 2;
  const drawn = rows.map((panels) => {
    let x = MARGIN;
    const row = panels.map((panel) => {
      const moved = movedBy(x, y, `\n${panel.body}\n`);
      x += panel.width + GAP;
      return moved;
    });
    y += Math.max(...panels.map(({ height }) => height)) + GAP;
    return row.join('\n');
  });
  const height = y - GAP + MARGIN;
  const page = { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 8, class: 'page' };
  const body = [element('rect', page), ...head, ...drawn].join('\n');
  return `${svgPicture({ width, height, label: title, body }, { style: true })}\n`;
}

/** Width of each of `count` panels side by side on a page. */
export function panelWidth(pageWidth: number, count: number): number {
  return (pageWidth - 2 * MARGIN - GAP * (count - 1)) / count;
}
