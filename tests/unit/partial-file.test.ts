import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { PartialFile } from '../../core/models/partial-file.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'percept-partial-'));
  path = join(folder, 'm.gguf.partial');
});

afterEach(() => rmSync(folder, { recursive: true }));

const FDS = '/proc/self/fd'; // Linux lists the open files of a process there

it.runIf(existsSync(FDS))('is closed if it cannot be opened to the end', async () => {
  mkdirSync(`${path}.json`);
  await expect(PartialFile.open(path)).rejects.toThrow();
  const open = readdirSync(FDS).flatMap((fd) => {
    try {
      return [readlinkSync(join(FDS, fd))];
    } catch {
      return []; // that of the listing itself
    }
  });
  expect(open).not.toContain(path);
});
