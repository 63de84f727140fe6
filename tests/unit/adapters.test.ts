/** The search for graphics adapters: free if there is no driver, and in a separate process if there is one. */
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { driverFiles } from '../../backends/driver-files.ts';
import { notLinux, titled } from '../titled.ts';

const [adapter] = inject('adapters');
const absent = process.platform === 'linux' ? adapter!.absent : 'drivers are found otherwise than on Linux';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'percept-adapters-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** Searches as a new process of the program would. */
async function findAdapters(cacheDirectory?: string) {
  vi.resetModules();
  return (await import('../../backends/adapters.ts')).findAdapters(cacheDirectory);
}

describe.skipIf(notLinux)(titled('driver files', notLinux), () => {
  const manifest = () => join(folder, 'driver.json');
  const environment = () => ({ VK_DRIVER_FILES: manifest() });

  it('say so if there is no driver', () => {
    expect(driverFiles(environment()).none).toContain('no Vulkan driver is installed');
  });

  it('change when a driver is added, replaced or deselected', () => {
    const signatures = [driverFiles(environment()).signature];
    writeFileSync(manifest(), '{}');
    expect(driverFiles(environment())).not.toHaveProperty('none');
    signatures.push(driverFiles(environment()).signature);
    expect(driverFiles(environment()).signature).toBe(signatures.at(-1));
    utimesSync(manifest(), new Date(0), new Date(0));
    signatures.push(driverFiles(environment()).signature);
    signatures.push(driverFiles({ ...environment(), VK_LOADER_DRIVERS_DISABLE: '*' }).signature);
    expect(new Set(signatures).size).toBe(signatures.length);
  });

  it("are searched in the loader's folders", () => {
    const none = { HOME: folder, XDG_DATA_HOME: folder, XDG_DATA_DIRS: folder, XDG_CONFIG_DIRS: folder };
    expect(driverFiles({ ...none, VK_ADD_DRIVER_FILES: import.meta.filename })).not.toHaveProperty('none');
  });
});

describe.skipIf(notLinux)(titled('adapters', notLinux), () => {
  it('without a driver: none, and nothing is started or cached', async () => {
    vi.stubEnv('VK_DRIVER_FILES', join(folder, 'none.json'));
    const found = await findAdapters(folder);
    expect(found).toEqual({ adapters: [], none: expect.stringContaining('no Vulkan driver is installed') });
    expect(() => readFileSync(join(folder, 'adapters.json'))).toThrow();
  });

  it.skipIf(absent)(titled('are described, and queried once', absent), async () => {
    for (const [name, value] of Object.entries(adapter!.environment)) vi.stubEnv(name, value);
    const { adapters, none } = await findAdapters(folder);
    expect(none).toBeUndefined();
    expect(adapters).toHaveLength(1);
    expect(adapters[0]).toMatchObject({ vendor: 'google', software: true });
    expect(adapters[0]!.limits.maxBufferSize).toBeGreaterThan(2 ** 27);

    const kept = join(folder, 'adapters.json');
    writeFileSync(kept, readFileSync(kept, 'utf8').replace('"google"', '"kept"'));
    expect((await findAdapters(folder)).adapters[0]!.vendor).toBe('kept');
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '7'); // part of what a driver depends on
    expect((await findAdapters(folder)).adapters[0]!.vendor).toBe('google');
    const { key } = JSON.parse(readFileSync(kept, 'utf8'));
    for (const damaged of [
      '{"key": ',
      'null',
      { key },
      { key, found: {} },
      { key, found: { adapters: [null] } },
    ]) {
      writeFileSync(kept, typeof damaged === 'string' ? damaged : JSON.stringify(damaged));
      expect((await findAdapters(folder)).adapters[0]!.vendor).toBe('google');
    }
  });

  it('a driver that crashes ends only the query', async () => {
    const manifest = join(folder, 'driver.json');
    writeFileSync(manifest, '{}');
    vi.stubEnv('VK_DRIVER_FILES', manifest);
    vi.stubEnv('NODE_OPTIONS', '--import=data:text/javascript,process.abort()');
    const { adapters, none } = await findAdapters(folder);
    expect(adapters).toEqual([]);
    expect(none).toBe('asking for an adapter failed: its driver crashed (SIGABRT)');
  });

  it('a driver without a device offers none', async () => {
    const manifest = join(folder, 'driver.json');
    writeFileSync(manifest, '{"file_format_version": "1.0.0", "ICD": {"library_path": "./none.so"}}');
    vi.stubEnv('VK_DRIVER_FILES', manifest);
    vi.stubEnv('VK_ICD_FILENAMES', manifest);
    expect((await findAdapters()).none).toBe('the graphics drivers here offer no adapter');
  });
});
