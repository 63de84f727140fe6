/**
 * The signature of the graphics drivers: a short text that changes when drivers are added, removed or replaced. It is
 * made from the file system, without loading a driver. On Linux the files also show that there is no driver.
 */
import { readdirSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';

export interface DriverFiles {
  /** The same until a driver changes. */
  readonly signature: string;
  /** The reason why there cannot be an adapter; absent if there may be one. */
  readonly none?: string;
}

/** Variables that choose drivers for the Vulkan loader and folders for the linker. */
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

/** The folder of installed drivers on Windows. Each version has a folder of its own in it. */
function driverStore({ SystemRoot = 'C:\\Windows' }: NodeJS.ProcessEnv): string {
  return join(SystemRoot, 'System32', 'DriverStore', 'FileRepository');
}

/** The manifests of Vulkan drivers that the loader finds (LoaderDriverInterface.md of Vulkan-Loader). */
function manifests(env: NodeJS.ProcessEnv): string[] {
  const listed = paths(env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES);
  if (listed.length > 0) return listed.filter((path) => stamp(path) !== '');
  const user = env.HOME || '/'; // the Vulkan loader reads only HOME
  const home = env.XDG_DATA_HOME || join(user, '.local/share');
  const config = env.XDG_CONFIG_HOME || join(user, '.config');
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
    return []; // missing, or no permission
  }
}

/** Path, size and time of a file; empty for a missing file. */
function stamp(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${path} ${stat.size} ${stat.mtimeMs}` : '';
}

function text(parts: readonly string[]): string {
  return parts.join('\n');
}
