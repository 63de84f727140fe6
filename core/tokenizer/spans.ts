/** Ranges of a text in UTF-16 units, in order and apart: start, end, start, end, ... */
export type Spans = readonly number[];

/** Whether one of the spans contains [start, end). */
export function covers(spans: Spans, start: number, end: number): boolean {
  const at = 2 * spanAfter(spans, start);
  return at < spans.length && spans[at]! <= start && end <= spans[at + 1]!;
}

/** The spans within [start, end), counted from `start`. */
export function cutSpans(spans: Spans, start: number, end: number): Spans {
  const cut: number[] = [];
  for (let at = 2 * spanAfter(spans, start); at < spans.length && spans[at]! < end; at += 2) {
    cut.push(Math.max(spans[at]!, start) - start, Math.min(spans[at + 1]!, end) - start);
  }
  return cut;
}

/** Appends spans that are counted from `offset`; joins those that touch. */
export function addSpans(to: number[], spans: Spans, offset: number): void {
  for (let at = 0; at < spans.length; at += 2) {
    if (to.length > 0 && to.at(-1) === spans[at]! + offset) to.pop();
    else to.push(spans[at]! + offset);
    to.push(spans[at + 1]! + offset);
  }
}

/** Number of the first span that ends after `start`. */
function spanAfter(spans: Spans, start: number): number {
  let low = 0;
  let high = spans.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[2 * middle + 1]! > start) high = middle;
    else low = middle + 1;
  }
  return low;
}
