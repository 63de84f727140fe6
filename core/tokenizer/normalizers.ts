/** What a tokenizer.json does to texts before it splits them. GGUF files say nothing of it. */
import type { Gguf } from '../gguf/index.ts';
import { optionalStrings } from '../gguf/metadata.ts';
import type { JsonPart } from './json-patterns.ts';

const FORMS: readonly string[] = ['NFC', 'NFD', 'NFKC', 'NFKD'];

/** Names of the steps that change characters, in order. */
export function normalizersOf(parts: readonly JsonPart[]): string[] {
  return parts.map(({ type }) => String(type)).filter((type) => FORMS.includes(type) || type === 'Lowercase');
}

export function normalizerOf(metadata: Gguf['metadata']): (text: string) => string {
  const names = optionalStrings(metadata, 'percept.tokenizer.normalizers');
  const steps = names ? Array.from({ length: names.length }, (_, i) => names.at(i)) : [];
  return (text) =>
    steps.reduce((now, step) => {
      if (step === 'Lowercase') return now.toLowerCase();
      return FORMS.includes(step) ? now.normalize(step) : now;
    }, text);
}
