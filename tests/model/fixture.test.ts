/** A model of one layer that ships with the tests: loading, and its logits on every backend. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadModel } from '../../core/model.ts';
import { BACKENDS, titled } from '../backend/backends.ts';
import { argmax, distance, logitsOf } from './logits.ts';

const FIXTURES = resolve(import.meta.dirname, '../fixtures');
const PATH = resolve(FIXTURES, 'tiny-llama.Q8_0.gguf');
const golden: { input_ids: number[]; argmax: number[]; logits_last: number[] } = JSON.parse(
  readFileSync(resolve(FIXTURES, 'tiny-llama.json'), 'utf8'),
);

