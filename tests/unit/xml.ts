/** Checks that a text is well-formed XML, limited to what percept writes: elements, quoted attributes, text. */

const TAG = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/y;
const TEXT = /(?:[^<&]|&(?:amp|lt|gt|quot|apos|#\d+);)+/y;

/** The names of its elements in order. Throws Error with the position of a fault. */
export function elementsOf(xml: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  for (let at = 0; at < xml.length; ) {
    const [rule, match] =
      [TAG, TEXT].map((rule) => [rule, matchAt(rule, xml, at)] as const).find(([, m]) => m) ?? [];
    if (!match) throw new Error(`not XML from ${JSON.stringify(xml.slice(at, at + 60))}`);
    at += match[0].length;
    if (rule === TEXT) continue;
    const [, closes, name, attributes, isEmpty] = match;
    const keys = [...attributes!.matchAll(/([\w:-]+)="/g)].map(([, key]) => key);
    if (new Set(keys).size < keys.length) throw new Error(`an attribute twice in <${name}>`);
    if (attributes!.replace(/&(?:amp|lt|gt|quot|apos|#\d+);/g, '').includes('&'))
      throw new Error(`& in <${name}>`);
    if (closes && open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    if (closes) continue;
    names.push(name!);
    if (!isEmpty) open.push(name!);
  }
  if (open.length > 0) throw new Error(`never closed: ${open.join(', ')}`);
  return names;
}

function matchAt(rule: RegExp, text: string, at: number): RegExpExecArray | null {
  rule.lastIndex = at;
  return rule.exec(text);
}
