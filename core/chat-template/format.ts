/** Python's str.format: '{} {0} {name} {0.a[b]!r:>8}'. */
import type { Budget } from './budget.ts';
import { fixed, isNumeric, repr, str } from './python.ts';
import { TextBuilder, textOf } from './strings.ts';
import { type Arguments, integer, isFloat, isText, textValue, type Value } from './values.ts';

/** of.name or of[index] of a field. */
export type Member = (of: Value, name: string, isIndex: boolean) => Value;

const FIELD = /\{\{|\}\}|\{([^{}!:.[]*)((?:\.\w+|\[[^\]{}]*\])*)(?:!([rsa]))?(?::([^{}]*))?\}|[{}]/g;
const SPEC = /^(?:(.)?([<>=^]))?([-+ ]?)(#?)(0?)(\d*)(,?)(?:\.(\d+))?([a-zA-Z%]?)$/su;

/** The parts of the format that stand between the fields keep their markup, and so do texts that are put in whole. */
export function format(of: Value, args: Arguments, budget: Budget, member: Member): Value {
  const text = textOf(of);
  budget.make(text.length);
  const result = new TextBuilder(budget);
  let next = 0;
  let end = 0;
  for (const found of text.matchAll(FIELD)) {
    const [whole, name = '', path = '', conversion, spec] = found;
    result.addPart(of, end, found.index);
    end = found.index + whole.length;
    if (whole === '{{' || whole === '}}') result.addPart(of, found.index, found.index + 1);
    else if (whole.length === 1) throw new Error('it formats with a brace that stands alone');
    else {
      const position = name === '' ? next++ : /^\d+$/.test(name) ? Number(name) : undefined;
      let value = position === undefined ? args.named.get(name) : args.list[position];
      if (!value) throw new Error(`it formats ${JSON.stringify(whole.slice(0, 40))} without a value for it`);
      for (const [, attribute, index] of path.matchAll(/\.(\w+)|\[([^\]]*)\]/g))
        value = member(value, attribute ?? index!, attribute === undefined);
      const converted = conversion && conversion !== 's' ? textValue(repr(value, budget)) : value;
      result.addValue(spec ? specified(converted, spec, budget) : str(converted, budget));
    }
  }
  return result.addPart(of, end, text.length).value;
}

/** A value under a specification such as >8 or .2f. */
function specified(value: Value, spec: string, budget: Budget): Value {
  const found = SPEC.exec(spec);
  if (!found) throw new Error(`it formats with ${JSON.stringify(spec.slice(0, 20))}`);
  const [, fill, align, sign, , zero, width, comma, precision, type] = found;
  const isNumber = isNumeric(value) && !isText(value);
  const digits = precision === undefined ? undefined : Math.min(Number(precision), 100);
  let body = isNumber ? number(value, type!, digits, budget) : textOf(str(value, budget)).slice(0, digits);
  if (comma) body = body.replace(/^(-?\d+)/, (whole) => whole.replace(/\B(?=(?:\d{3})+$)/g, ','));
  if (isNumber && sign !== '' && sign !== '-' && !body.startsWith('-')) body = sign + body;
  const padding = fill ?? (zero && !align ? '0' : ' ');
  const missing = Math.max(0, Number(width) - body.length);
  budget.make(missing + body.length);
  switch (align ?? (zero ? '=' : isNumber ? '>' : '<')) {
    case '<':
      return textValue(body + padding.repeat(missing));
    case '>':
      return textValue(padding.repeat(missing) + body);
    case '^':
      return textValue(padding.repeat(missing >> 1) + body + padding.repeat(missing - (missing >> 1)));
    default: {
      const [, minus = '', rest = ''] = /^([-+ ]?)(.*)$/s.exec(body) ?? [];
      return textValue(minus + padding.repeat(missing) + rest);
    }
  }
}

function number(value: Value, type: string, digits: number | undefined, budget: Budget): string {
  const x = Number(value.value);
  switch (type) {
    case 'f':
    case 'F':
      return fixed(x, digits ?? 6);
    case '%':
      return `${fixed(100 * x, digits ?? 6)}%`;
    case 'e':
    case 'E':
      return x.toExponential(digits ?? 6).replace(/e([+-])(\d)$/, 'e$10$2');
    case 'x':
      return Math.trunc(x).toString(16);
    case 'X':
      return Math.trunc(x).toString(16).toUpperCase();
    case 'o':
      return Math.trunc(x).toString(8);
    case 'b':
      return Math.trunc(x).toString(2);
    case 'd':
      return textOf(str(integer(Math.trunc(x)), budget));
  }
  return digits !== undefined && isFloat(value)
    ? String(Number(x.toPrecision(Math.max(1, digits))))
    : textOf(str(value, budget));
}
