/** Checks the value of an option, from a flag, a variable or a settings file. */
import { UserError } from '../../errors.ts';
import type { OptionSpec, OptionValue } from './options.ts';

const TRUE = new Set(['1', 'true', 'yes', 'on']);
const FALSE = new Set(['0', 'false', 'no', 'off', '']);

/**
 * Parses the text of a flag or a variable.
 * @param where its name for the error: "--ctx" or "PERCEPT_CTX"
 */
export function parseText(spec: OptionSpec, text: string, where: string): OptionValue {
  return checkValue(spec, valueOfText(spec, text), where, text);
}

function valueOfText(spec: OptionSpec, text: string): unknown {
  switch (spec.type) {
    case 'string':
      return text;
    case 'strings':
      return [text];
    case 'boolean': {
      const word = text.toLowerCase();
      return TRUE.has(word) ? true : FALSE.has(word) ? false : text;
    }
    default:
      return text.trim() === '' ? text : Number(text);
  }
}

/**
 * Returns `value` if the option accepts it.
 * @param shown what the user wrote, for the error
 * @throws UserError (usage)
 */
export function checkValue(spec: OptionSpec, value: unknown, where: string, shown = value): OptionValue {
  if (accepts(spec, value)) return value;
  throw new UserError(
    `Expected ${where} to be ${expectation(spec)}, got ${JSON.stringify(shown)}.`,
    `Its meaning: ${spec.describe}.`,
    { kind: 'usage' },
  );
}

function accepts(spec: OptionSpec, value: unknown): value is OptionValue {
  switch (spec.type) {
    case 'boolean':
      return typeof value === 'boolean';
    case 'string':
      return typeof value === 'string' && (spec.choices?.includes(value) ?? true);
    case 'strings':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    default: {
      const [least, most] = spec.range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
      if (typeof value !== 'number' || !Number.isFinite(value)) return false;
      return value >= least && value <= most && (spec.type === 'number' || Number.isSafeInteger(value));
    }
  }
}

function expectation(spec: OptionSpec): string {
  if (spec.choices) return `one of ${spec.choices.join(', ')}`;
  if (spec.type === 'boolean') return 'true or false';
  if (spec.type === 'string' || spec.type === 'strings') return 'text';
  const noun = spec.type === 'integer' ? 'a whole number' : 'a number';
  if (!spec.range) return noun;
  const [least, most] = spec.range;
  return most === Number.POSITIVE_INFINITY
    ? `${noun} of at least ${least}`
    : `${noun} from ${least} to ${most}`;
}
