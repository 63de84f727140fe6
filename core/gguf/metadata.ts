/**
 * Typed reads of GGUF metadata. A missing key is undefined, or an error if it is required. A value of another type is
 * always an error that names the key and both types.
 */
import { UserError } from '../../errors.ts';
import type { Gguf, GgufArray, GgufStrings, GgufValue } from './types.ts';

type Metadata = Gguf['metadata'];

const REPLACE = 'The file was converted wrongly or is damaged: get the model again, or convert it anew.';

/** The number under `key`. Throws UserError if it is missing or not a number. */
export function requireNumber(metadata: Metadata, key: string): number {
  return optionalNumber(metadata, key) ?? missing(key, 'a number');
}

/** The string under `key`. Throws UserError if it is missing or not a string. */
export function requireString(metadata: Metadata, key: string): string {
  return optionalString(metadata, key) ?? missing(key, 'a string');
}

/** The number under `key`, if any. Throws UserError for another type, and for an integer beyond 2^53. */
export function optionalNumber(metadata: Metadata, key: string): number | undefined {
  const value = metadata.get(key);
  return value === undefined || typeof value === 'number' ? value : mismatch(key, 'a number', value);
}

/** The string under `key`, if any. Throws UserError for another type. */
export function optionalString(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key);
  return value === undefined || typeof value === 'string' ? value : mismatch(key, 'a string', value);
}

/** The boolean under `key`, if any. Throws UserError for another type. */
export function optionalBoolean(metadata: Metadata, key: string): boolean | undefined {
  const value = metadata.get(key);
  return value === undefined || typeof value === 'boolean' ? value : mismatch(key, 'a boolean', value);
}

/** The strings under `key`, if any. Throws UserError for another type. */
export function optionalStrings(metadata: Metadata, key: string): GgufStrings | undefined {
  const value = metadata.get(key);
  return value === undefined || isStrings(value) ? value : mismatch(key, 'an array of strings', value);
}

/** The numbers under `key`, if any. Throws UserError for another type, and for integers beyond 2^53. */
export function optionalNumbers(metadata: Metadata, key: string): ArrayLike<number> | undefined {
  const value = metadata.get(key);
  return value === undefined || isNumbers(value) ? value : mismatch(key, 'an array of numbers', value);
}

/** Whether an array contains strings, not numbers, booleans or arrays. */
export function isStrings(value: GgufValue): value is GgufStrings {
  return typeof value === 'object' && 'offsets' in value;
}

function isNumbers(value: GgufValue): value is ArrayLike<number> {
  return ArrayBuffer.isView(value);
}

function missing(key: string, expected: string): never {
  throw new UserError(`The file lacks the metadata key "${key}", ${expected}.`, REPLACE);
}

function mismatch(key: string, expected: string, value: GgufValue): never {
  throw new UserError(
    `Expected ${expected} under the metadata key "${key}", got ${typeInWords(value)}.`,
    REPLACE,
  );
}

function typeInWords(value: GgufValue): string {
  if (typeof value === 'string') return `the string ${JSON.stringify(value.slice(0, 40))}`;
  if (typeof value === 'bigint') return `the integer ${value}, which is beyond 2^53`;
  if (typeof value !== 'object') return `the ${typeof value} ${value}`;
  return `an array of ${value.length} ${elementsInWords(value)}`;
}

function elementsInWords(array: GgufArray): string {
  if (isStrings(array)) return 'strings';
  if (isNumbers(array)) return 'numbers';
  if (typeof array[0] === 'bigint') return 'integers, some beyond 2^53';
  return typeof array[0] === 'boolean' ? 'booleans' : 'arrays';
}
