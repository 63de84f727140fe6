import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { directories, homeDirectory } from '../../core/directories.ts';

const linux = (env: Record<string, string> = {}) =>
  directories({ platform: 'linux', env, home: () => '/home/ada' });

describe('directories', () => {
  it('need no home where the environment names all folders', () => {
    const home = () => {
      throw new Error('there is no home');
    };
    const at = (env: Record<string, string>) => directories({ platform: 'linux', env, home });
    expect(at({ PERCEPT_HOME: '/p' }).models).toBe('/p/models');
    const env = Object.fromEntries(
      ['DATA', 'STATE', 'CACHE', 'CONFIG'].map((name) => [`XDG_${name}_HOME`, `/${name}`]),
    );
    expect(at(env).cache).toBe('/CACHE/percept');
    expect(() => at({ ...env, XDG_CACHE_HOME: '' })).toThrow('there is no home');
  });

  it.each(['', 'relative'])('do not follow HOME=%j', (HOME) => {
    const before = process.env.HOME;
    process.env.HOME = HOME;
    try {
      expect(homeDirectory()).toBe(userInfo().homedir);
    } finally {
      process.env.HOME = before;
    }
  });

  it('follow the XDG specification', () => {
    expect(linux()).toEqual({
      models: '/home/ada/.local/share/percept/models',
      sessions: '/home/ada/.local/share/percept/sessions.db',
      state: '/home/ada/.local/state/percept',
      cache: '/home/ada/.cache/percept',
      config: '/home/ada/.config/percept',
    });
  });

  it('follow the XDG variables, but not empty or relative ones', () => {
    const env = { XDG_DATA_HOME: '/d', XDG_STATE_HOME: '', XDG_CACHE_HOME: 'c', XDG_CONFIG_HOME: '/etc/ada' };
    expect(linux(env)).toEqual({
      models: '/d/percept/models',
      sessions: '/d/percept/sessions.db',
      state: '/home/ada/.local/state/percept',
      cache: '/home/ada/.cache/percept',
      config: '/etc/ada/percept',
    });
  });

  it('are native on macOS, whatever XDG says', () => {
    const env = { XDG_CACHE_HOME: '/c' };
    expect(directories({ platform: 'darwin', env, home: () => '/Users/ada' })).toEqual({
      models: '/Users/ada/Library/Application Support/percept/models',
      sessions: '/Users/ada/Library/Application Support/percept/sessions.db',
      state: '/Users/ada/Library/Application Support/percept/state',
      cache: '/Users/ada/Library/Caches/percept',
      config: '/Users/ada/Library/Application Support/percept/config',
    });
  });

  it.each([
    ['as set', { LOCALAPPDATA: 'D:\\local', APPDATA: 'D:\\roaming' }, 'D:\\local', 'D:\\roaming'],
    ['by default', {}, 'C:\\Users\\ada\\AppData\\Local', 'C:\\Users\\ada\\AppData\\Roaming'],
  ])('are native on Windows, %s', (_, env, local, roaming) => {
    expect(directories({ platform: 'win32', env, home: () => 'C:\\Users\\ada' })).toEqual({
      models: `${local}\\percept\\models`,
      sessions: `${local}\\percept\\sessions.db`,
      state: `${local}\\percept\\state`,
      cache: `${local}\\percept\\cache`,
      config: `${roaming}\\percept`,
    });
  });

  it.each(['linux', 'darwin'] as const)('are all below PERCEPT_HOME on %s', (platform) => {
    const env = { PERCEPT_HOME: '/p', XDG_DATA_HOME: '/d' };
    expect(directories({ platform, env, home: () => '/home/ada' })).toEqual({
      models: '/p/models',
      sessions: '/p/sessions.db',
      state: '/p/state',
      cache: '/p/cache',
      config: '/p/config',
    });
  });

  it('refuse a relative PERCEPT_HOME and ignore an empty one', () => {
    expect(() => linux({ PERCEPT_HOME: '~/p' })).toThrow(
      'Expected PERCEPT_HOME to be an absolute path, got "~/p".',
    );
    expect(linux({ PERCEPT_HOME: '' })).toEqual(linux());
  });
});
