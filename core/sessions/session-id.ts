/** Ids of sessions: eight random characters of Crockford's base 32, 40 bits (https://www.crockford.com/base32.html). */
import { randomInt } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const LENGTH = 8;

export function newSessionId(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** The canonical form: lower case, with the digits 1 and 0 for i, l and o. */
export function canonicalId(text: string): string {
  return text.toLowerCase().replaceAll('o', '0').replace(/[il]/g, '1');
}
