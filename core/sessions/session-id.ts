/** Ids of sessions: eight random characters of Crockford's base 32, 40 bits (https://www.crockford.com/base32.html). */
import { randomInt } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const LENGTH = 8;

export function newSessionId(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** As ids are written: small letters, and the digits that i, l and o are taken for. */
export function canonicalId(text: string): string {
  return text.toLowerCase().replaceAll('o', '0').replace(/[il]/g, '1');
}
