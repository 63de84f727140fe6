/** Titles of tests that are skipped in some surroundings: they say why. */

/** A test title, with the reason if it is skipped. */
export function titled(name: string, skipped?: string): string {
  return skipped ? `${name} (skipped: ${skipped})` : name;
}

/** A reason to skip what needs a POSIX system. */
export const onWindows = process.platform === 'win32' ? 'this is Windows' : undefined;

/** A reason to skip what only Linux has. */
export const notLinux = process.platform === 'linux' ? undefined : 'this is not Linux';

/** A reason to skip what takes permissions away: root has them all. */
export const asRoot = process.getuid?.() === 0 ? 'root may read and write all files' : undefined;
