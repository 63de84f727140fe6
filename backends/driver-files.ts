/**
 * What a graphics adapter depends on, as far as it can be seen in the file system without loading a driver: a short text
 * that changes when drivers come, go or are replaced. On Linux it also tells at once that there is none.
 */
import { readdirSync, statSync } from 'node:fs';
import { homedir, release } from 'node:os';
import { delimiter, join } from 'node:path';

export interface DriverFiles {
  /** Equal as long as nothing changed. */
  readonly signature: string;
  /** Why there cannot be an adapter; absent where there may be one. */
  readonly none?: string;
}

/** Variables that tell the Vulkan loader which drivers to take, and the linker where libraries are. */
const VARIABLES = [
  ...['VK_ICD_FILENAMES', 'VK_DRIVER_FILES', 'VK_ADD_DRIVER_FILES', 'VK_LOADER_DRIVERS_SELECT'],
  ...['VK_LOADER_DRIVERS_DISABLE', 'LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES', 'DISPLAY', 'WAYLAND_DISPLAY'],
];

export function driverFiles(env: NodeJS.ProcessEnv = process.env): DriverFiles {
  const system = [process.platform, process.arch, release(), ...VARIABLES.map((name) => env[name] ?? '')];
  if (process.platform === 'win32') return { signature: text([...system, stamp(driverStore(env))]) };
  if (process.platform !== 'linux') return { signature: text(system) }; // the driver is part of macOS
  const drivers = manifests(env).map(stamp);
  const loaders = libraries(env).map((folder) => stamp(join(folder, 'libvulkan.so.1')));
  const devices = [...matching('/dev', /^nvidia\d+$/), ...matching('/dev/dri', /^render/)];
  const signature = text([...system, ...drivers, ...loaders, ...devices]);
  if (drivers.length > 0) return { signature };
  return { signature, none: 'no Vulkan driver is installed (no *.json in a folder vulkan/icd.d)' };
}

/** Where Windows keeps installed drivers: a folder of its own for each version. */
function driverStore({ SystemRoot = 'C:\\Windows' }: NodeJS.ProcessEnv): string {
  return join(SystemRoot, 'System32', 'DriverStore', 'FileRepository');
}

/** The files that name Vulkan drivers, where the loader looks for them (LoaderDriverInterface.md of Vulkan-Loader). */
function manifests(env: NodeJS.ProcessEnv): string[] {
  const listed = paths(env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES);
  if (listed.length > 0) return listed.filter((path) => stamp(path) !== '');
  const home = env.XDG_DATA_HOME || join(homedir(), '.local/share');
  const config = env.XDG_CONFIG_HOME || join(homedir(), '.config');
  const roots = [
    ...[config, ...paths(env.XDG_CONFIG_DIRS || '/etc/xdg'), '/etc', '/usr/local/etc'],
    ...[home, ...paths(env.XDG_DATA_DIRS || '/usr/local/share:/usr/share'), '/usr/local/share', '/usr/share'],
  ];
  const folders = [...new Set(roots)].map((root) => join(root, 'vulkan/icd.d'));
  return [...folders.flatMap((folder) => matching(folder, /\.json$/)), ...paths(env.VK_ADD_DRIVER_FILES)];
}

/** Folders where the linker may find the Vulkan loader. */
function libraries(env: NodeJS.ProcessEnv): string[] {
  const triple = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch as string] ?? '';
  return [...paths(env.LD_LIBRARY_PATH), `/usr/lib/${triple}`, '/usr/lib64', '/usr/lib', '/usr/local/lib'];
}

function paths(list: string | undefined): string[] {
  return (list ?? '').split(delimiter).filter(Boolean);
}

function matching(folder: string, name: RegExp): string[] {
  try {
    return readdirSync(folder)
      .filter((entry) => name.test(entry))
      .sort()
      .map((entry) => join(folder, entry));
  } catch {
    return []; // not there, or not for us to see
  }
}

/** Path, size and time of a file; nothing where it is not there. */
function stamp(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${path} ${stat.size} ${stat.mtimeMs}` : '';
}

function text(parts: readonly string[]): string {
  return parts.join('\n');
}
