// Runs in a process of its own, where node-llama-cpp is installed. Arguments: model, file with texts as JSON. Prints one
// line of JSON: for each text its token ids, and the greedy ids that follow.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modelPath, file, folder] = process.argv.slice(2);
const entry = createRequire(`${folder}/any.js`).resolve('node-llama-cpp');
const { getLlama } = await import(pathToFileURL(entry).href);
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: 2 });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 1024, threads: 2, batchSize: 512 });
const sequence = context.getSequence();
const answers = [];
for (const { text, greedy } of JSON.parse(readFileSync(file, 'utf8'))) {
  const ids = [...model.tokenize(text, false)];
  const next = [];
  if (greedy > 0) {
    await sequence.clearHistory();
    for await (const id of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
      if (next.push(id) === greedy) break;
    }
  }
  answers.push({ ids, next });
}
process.stdout.write(`${JSON.stringify(answers)}\n`);
await llama.dispose();
process.exit(0);
