import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { modelLines } from '../../cli/commands/list.ts';
import { emptyFolder, percept, TINY_MODEL } from './percept.ts';

const BYTES = statSync(TINY_MODEL).size;
const REFERENCE = 'hf:owner/repo/tiny.gguf';

/** A home with one model, as after a pull. */
function homeWithModel() {
  const home = emptyFolder();
  const path = join(home, 'models/hf/owner/repo/main/tiny.gguf');
  mkdirSync(dirname(path), { recursive: true });
  copyFileSync(TINY_MODEL, path);
  return { env: { PERCEPT_HOME: home }, path };
}

describe('percept list', () => {
  it('shows present models and available ones', async () => {
    const { env, path } = homeWithModel();
    const { stdout, code } = await percept(['list'], { env });
    expect(code).toBe(0);
    expect(stdout).toContain(path);
    expect(stdout).toMatch(/^smollm2 +98\.4 MB/m);
  });

  it('says of each model its type, context, whether it fits, and when it was pulled', async () => {
    const { env, path } = homeWithModel();
    writeFileSync(`${path}.json`, JSON.stringify({ reference: REFERENCE, pulledAt: '2026-01-02T03:04:05Z' }));
    const { stdout } = await percept(['list'], { env });
    const size = `${Math.round(BYTES / 1000)} kB`;
    expect(stdout).toContain(`${REFERENCE}  ${size}  Q8_0  512 tokens  fits  pulled 2026-01-02  ${path}\n`);
  });

  it('has a row for a damaged file too, with the way to the reason', async () => {
    const { env, path } = homeWithModel();
    const bad = join(dirname(path), 'bad.gguf');
    writeFileSync(bad, readFileSync(path).subarray(0, 3000));
    writeFileSync(join(dirname(path), 'empty.gguf'), '');
    const { stdout, stderr, code } = await percept(['list'], { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/bad\.gguf +3 kB +unusable$/m);
    expect(stdout).toMatch(/empty\.gguf +0 B +unusable$/m);
    expect(stdout).toMatch(/tiny\.gguf .* Q8_0 +512 tokens +fits$/m);
    expect(stderr).toContain(`Why it is unusable: percept show ${bad}\n`);
    const { models } = JSON.parse((await percept(['list', '--json'], { env })).stdout);
    expect(models[0]).toMatchObject({ path: bad, unusable_because: expect.stringContaining('bad.gguf') });
  });

  it.each([[60], [80], [120], [200]])('fits into %i columns, the path last', (columns) => {
    const facts = ['1.2 GB', 'Q4_K_M', '131072 tokens', 'needs 2.1 GB', 'pulled 2026-01-02'];
    const names = ['smollm2', 'hf:owner/a-long-name/file.gguf'];
    const lines = modelLines(
      names,
      names.map((name) => [...facts, `/home/user/.local/share/percept/models/${name}`]),
      columns,
    );
    for (const { text, dim } of lines) expect((text + dim).length).toBeLessThanOrEqual(columns);
    const all = lines.map(({ text, dim }) => text + dim).join('\n');
    for (const fact of facts.slice(0, 4)) expect(all.split(fact)).toHaveLength(3);
    expect(lines).toHaveLength(columns < 80 ? 6 : 2);
    expect(lines[0]!.dim !== '').toBe(columns === 200);
  });

  it('in JSON has models, catalogue and leftovers', async () => {
    const { env, path } = homeWithModel();
    const report = JSON.parse((await percept(['list', '--json'], { env })).stdout);
    const header = { type: 'Q8_0', trained_context: 512, fits: true, memory_bytes: expect.any(Number) };
    expect(report.models).toEqual([{ path, bytes: BYTES, ...header }]);
    expect(report.catalogue[0]).toMatchObject({ alias: 'smollm2', bytes: 98_362_432, present: false });
    expect(report.leftovers).toEqual([]);
  });

  it('prints names for completion', async () => {
    const { env, path } = homeWithModel();
    const { stdout } = await percept(['list', '--names'], { env });
    expect(stdout.split('\n')).toEqual(expect.arrayContaining([path, 'smollm2']));
  });

  it('prints a path if a name is not a reference, and skips names that are not one line of text', async () => {
    const { env, path } = homeWithModel();
    writeFileSync(`${path}.json`, JSON.stringify({ reference: 'https://h/x$(touch pwned).gguf' }));
    const folder = dirname(path);
    for (const name of ['a\nb.gguf', '\x1b]0;x\x07.gguf']) writeFileSync(join(folder, name), 'GGUF');
    const { stdout } = await percept(['list', '--names'], { env });
    const names = stdout.split('\n').filter((name) => name.startsWith(folder) || name.includes('pwned'));
    expect(names).toEqual([path]);
  });
});

describe('percept pull', () => {
  it('finds a present model', async () => {
    const { env, path } = homeWithModel();
    expect(await percept(['pull', REFERENCE], { env })).toEqual({ stdout: `${path}\n`, stderr: '', code: 0 });
  });
});

describe('percept rm', () => {
  it('needs -y without a terminal', async () => {
    const { env, path } = homeWithModel();
    const { stderr, code } = await percept(['rm', REFERENCE], { env });
    expect(code).toBe(2);
    expect(stderr).toContain(`Run: percept rm -y ${REFERENCE}\n`);
    expect(existsSync(path)).toBe(true);
  });

  it('deletes with -y and says how much', async () => {
    const { env, path } = homeWithModel();
    const { stdout, code } = await percept(['rm', '-y', REFERENCE, '--json'], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ reference: REFERENCE, path, freed_bytes: BYTES });
    expect(existsSync(path)).toBe(false);
  });

  it('deletes all parts of a split model, and asks also if one is missing', async () => {
    const { env, path } = homeWithModel();
    const folder = dirname(path);
    renameSync(path, join(folder, 'm-00001-of-00003.gguf'));
    copyFileSync(TINY_MODEL, join(folder, 'm-00003-of-00003.gguf'));
    const text = 'hf:owner/repo/m-00001-of-00003.gguf';
    expect((await percept(['rm', text], { env })).code).toBe(2);
    const { stdout } = await percept(['rm', '-y', text, '--json'], { env });
    expect(JSON.parse(stdout).freed_bytes).toBe(2 * BYTES);
    expect(existsSync(folder)).toBe(false);
  });

  it('reports a model that was never pulled', async () => {
    expect((await percept(['rm', 'smollm2'])).code).toBe(3);
  });
});

describe('percept show', () => {
  it('describes metadata, tensors, memory and template', async () => {
    const { stdout, code } = await percept(['show', TINY_MODEL]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^tokenizer\.ggml\.tokens +512 x string$/m);
    expect(stdout).toMatch(/^attention|^llama\.attention\.layer_norm_rms_epsilon +0\.00001$/m);
    expect(stdout).toMatch(/^Q8_0 +9 tensors/m);
  });

  it('in JSON gives the KV cache of a token and of a context', async () => {
    const { stdout } = await percept(['show', '-m', TINY_MODEL, '--ctx', '100', '--json']);
    const { memory, metadata, tensors, template } = JSON.parse(stdout);
    expect(memory).toMatchObject({ context: 100, trained_context: 512, kv_type: 'q8' });
    expect(memory.kv_bytes).toBe(100 * memory.kv_bytes_per_token);
    expect(memory.total_bytes).toBe(memory.weights_bytes + memory.kv_bytes + memory.activation_bytes);
    expect(metadata['tokenizer.ggml.tokens']).toEqual({ array_of: 'string', length: 512 });
    expect(tensors.map(({ type }: { type: string }) => type).sort()).toEqual(['F32', 'Q8_0']);
    expect(template).toBeNull();
  });

  it('counts the cache in its type', async () => {
    const bytesPerToken = async (type: string) => {
      const { stdout } = await percept(['show', TINY_MODEL, '--kv-type', type, '--json']);
      return JSON.parse(stdout).memory.kv_bytes_per_token;
    };
    const f16 = await bytesPerToken('f16');
    expect(await bytesPerToken('f32')).toBe(2 * f16);
    expect(await bytesPerToken('q8')).toBeLessThan(f16);
    expect((await percept(['show', TINY_MODEL])).stdout).toMatch(/^KV cache .* tokens of .* as q8$/m);
  });

  it('reports a context that the engine would refuse', async () => {
    const { stdout, code } = await percept(['show', TINY_MODEL, '--ctx', '513', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).memory.unknown_because).toContain('1 to 512 tokens, as trained, got 513');
  });
});
