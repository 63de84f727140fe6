/**
 * npm run bench -- MODEL.gguf [--threads N] [--repetitions N] [--peer LLAMA-BENCH]
 *
 * Reads 512 and writes 128 tokens, several times, taking turns with a peer where one is given. Prints medians with the
 * raw values, the ratio, and the share of what this machine can read and multiply. The last line is JSON.
 */
import { parseArgs } from 'node:util';
import { loadModel, type Model } from '../core/index.ts';
import { runLlamaBench } from './llama-bench.ts';
import { median, runOnce, type Test, testName } from './measure.ts';

const TESTS: readonly Test[] = [
  { kind: 'pp', tokens: 512 },
  { kind: 'tg', tokens: 128 },
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string' },
    repetitions: { type: 'string', default: '5' },
    peer: { type: 'string' },
  },
});
const [path] = positionals;
if (!path) throw new Error('Expected the path of a model: npm run bench -- MODEL.gguf');

const model = await loadModel(path, { threads: values.threads ? Number(values.threads) : undefined });
const { threads } = model.backend;
const roofs = await measureRoofs(model);
console.log(
  `${model.name}, ${threads} threads; roofs: ${giga(roofs.readBytesPerSecond)} GB/s, ${giga(roofs.multiplyAddsPerSecond)} GMAC/s`,
);
const rows = [];
for (const test of TESTS) rows.push(await compare(test));
await model.dispose();
console.log(JSON.stringify({ model: model.name, threads, roofs, rows }));

/** Ours and the peer's, in turn; the first of each is not counted. */
async function compare(test: Test): Promise<object> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i <= Number(values.repetitions); i++) {
    const [a, b] = [
      await runOnce(model, test),
      values.peer && (await runLlamaBench(values.peer, path!, threads, test)),
    ];
    if (i === 0) continue;
    ours.push(a);
    if (b) theirs.push(b);
  }
  const tokS = median(ours);
  const ratio = theirs.length > 0 ? median(ours.map((value, i) => value / theirs[i]!)) : undefined;
  const share = test.kind === 'tg' ? (tokS * bytesPerToken()) / roofs.readBytesPerSecond : undefined;
  console.log(
    `${testName(test)}: ${tokS.toFixed(1)} tok/s [${raw(ours)}]` +
      (ratio ? `, peer ${median(theirs).toFixed(1)} [${raw(theirs)}], ratio ${ratio.toFixed(2)}` : '') +
      (share ? `, ${(100 * share).toFixed(0)} % of the memory roof` : ''),
  );
  return { test: testName(test), tok_s: tokS, samples: ours, peer: theirs, ratio, memory_roof_share: share };
}

/** Every weight is read once a token, but of an embedding table of its own only a row. */
function bytesPerToken(): number {
  const { tensors } = model.gguf;
  const lookedUp = model.config.tiedHead ? 0 : (tensors.get('token_embd.weight')?.bytes ?? 0);
  return tensors.values().reduce((sum, { bytes }) => sum + bytes, 0) - lookedUp;
}

async function measureRoofs({ backend }: Model) {
  if (!backend.roofs) throw new Error(`The ${backend.name} backend has no roofs to measure.`);
  return backend.roofs();
}

function giga(value: number): string {
  return (value / 1e9).toFixed(1);
}

function raw(samples: readonly number[]): string {
  return samples.map((value) => value.toFixed(0)).join(' ');
}
