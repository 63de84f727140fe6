/** Python's semantics for values of a template, where @huggingface/jinja differs. */

/** A value of the interpreter: StringValue, ArrayValue, ... by `type`, with its content. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
}

/** Elements of a list or tuple. */
export function listOf({ value }: Value): readonly Value[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

/** Entries of a dictionary or namespace. */
export function mappingOf({ value }: Value): ReadonlyMap<string, Value> | undefined {
  return value instanceof Map ? value : undefined;
}

/** Python's str(); an undefined variable prints as nothing. */
export function str(value: Value): string {
  if (value.type === 'UndefinedValue') return '';
  return typeof value.value === 'string' ? value.value : repr(value);
}

function repr(value: Value): string {
  if (typeof value.value === 'string') return quote(value.value);
  if (value.type === 'NullValue') return 'None';
  if (value.type === 'BooleanValue') return value.value ? 'True' : 'False';
  const mapping = mappingOf(value);
  if (mapping)
    return `{${Array.from(mapping, ([key, element]) => `${quote(key)}: ${repr(element)}`).join(', ')}}`;
  const elements = listOf(value)?.map(repr);
  if (!elements) return String(value); // a number
  if (value.type !== 'TupleValue') return `[${elements.join(', ')}]`;
  return elements.length === 1 ? `(${elements[0]},)` : `(${elements.join(', ')})`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A string literal, in double quotes only if that avoids escaping single ones. */
function quote(text: string): string {
  const escaped = text.replace(
    /[\\\x00-\x1f\x7f]/g,
    (character) => ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  if (text.includes("'") && !text.includes('"')) return `"${escaped}"`;
  return `'${escaped.replaceAll("'", "\\'")}'`;
}

/** Python's ==, by type and content; JavaScript's converts types and compares lists by identity. */
export function equal(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return Number(a.value) === Number(b.value);
  if (a.type !== b.type) return false;
  const list = listOf(a);
  const otherList = listOf(b);
  if (list && otherList) {
    return list.length === otherList.length && list.every((element, i) => equal(element, otherList[i]!));
  }
  const mapping = mappingOf(a);
  const otherMapping = mappingOf(b);
  if (!mapping || !otherMapping) return a.value === b.value;
  const sameIn = ([key, element]: [string, Value]) => {
    const other = otherMapping.get(key);
    return other !== undefined && equal(element, other);
  };
  return mapping.size === otherMapping.size && [...mapping].every(sameIn);
}

function isNumber({ value }: Value): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

/** str.strip, lstrip and rstrip with an argument: removes all of `characters` from these ends. */
export function strip(text: string, characters: string, ends: 'both' | 'left' | 'right'): string {
  const letters = [...text];
  const unwanted = new Set(characters);
  let start = 0;
  let end = letters.length;
  if (ends !== 'right') while (start < end && unwanted.has(letters[start]!)) start++;
  if (ends !== 'left') while (end > start && unwanted.has(letters[end - 1]!)) end--;
  return letters.slice(start, end).join('');
}
