import { homedir, userInfo } from 'node:os';
import { isAbsolute as isAbsoluteHere, posix, win32 } from 'node:path';
import { UserError } from '../errors.ts';

/** Paths of percept's files on this machine: absolute, not created yet; all are folders but `sessions`. */
export interface Directories {
  readonly models: string;
  readonly sessions: string; // file of conversations
  readonly state: string; // history
  readonly cache: string; // compiled or downloaded files that can be made again
  readonly config: string; // the user's config file
}

interface Surroundings {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's home directory, absolute. Asked only where nothing else says the folder. */
  readonly home: () => string;
}

/**
 * The directories of this process, or of other `surroundings`: below PERCEPT_HOME if it is set, else the native ones on
 * macOS and Windows, else those of the XDG Base Directory Specification 0.8
 * (https://specifications.freedesktop.org/basedir-spec/0.8/), which ignores empty and relative values.
 *
 * @throws UserError (usage) if PERCEPT_HOME is not an absolute path, or the home directory is needed and unknown.
 */
export function directories(
  { platform, env, home }: Surroundings = {
    platform: process.platform,
    env: process.env,
    home: homeDirectory,
  },
): Directories {
  const { isAbsolute, join } = platform === 'win32' ? win32 : posix;
  const from = (name: string, ...fallback: string[]) => {
    const value = env[name];
    return value && isAbsolute(value) ? value : join(home(), ...fallback);
  };
  const override = env.PERCEPT_HOME;
  if (override) {
    if (isAbsolute(override)) return below(override);
    throw new UserError(
      `Expected PERCEPT_HOME to be an absolute path, got "${override}".`,
      'Set PERCEPT_HOME to a full path, or unset it.',
      { kind: 'usage' },
    );
  }
  if (platform === 'win32') {
    const local = join(from('LOCALAPPDATA', 'AppData', 'Local'), 'percept');
    return { ...below(local), config: join(from('APPDATA', 'AppData', 'Roaming'), 'percept') };
  }
  if (platform === 'darwin') {
    const support = join(home(), 'Library', 'Application Support', 'percept');
    return { ...below(support), cache: join(home(), 'Library', 'Caches', 'percept') };
  }
  const data = join(from('XDG_DATA_HOME', '.local', 'share'), 'percept');
  return {
    models: join(data, 'models'),
    sessions: join(data, 'sessions.db'),
    state: join(from('XDG_STATE_HOME', '.local', 'state'), 'percept'),
    cache: join(from('XDG_CACHE_HOME', '.cache'), 'percept'),
    config: join(from('XDG_CONFIG_HOME', '.config'), 'percept'),
  };

  function below(root: string): Directories {
    return {
      models: join(root, 'models'),
      sessions: join(root, 'sessions.db'),
      state: join(root, 'state'),
      cache: join(root, 'cache'),
      config: join(root, 'config'),
    };
  }
}

/**
 * The user's home directory: HOME, or that of the system's table of users if HOME is empty or relative.
 *
 * @throws UserError (usage) if neither names one, such as for a user of a container without an entry.
 */
export function homeDirectory(): string {
  for (const ask of [homedir, () => userInfo().homedir]) {
    try {
      const home = ask();
      if (isAbsoluteHere(home)) return home;
    } catch {
      // HOME is not set, and the system does not know this user
    }
  }
  throw new UserError(
    'This user has no home directory: HOME does not name one, and the system knows none.',
    'Set PERCEPT_HOME to a folder for the files that percept keeps, or HOME.',
    { kind: 'usage' },
  );
}
