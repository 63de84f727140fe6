import { describe, expect, it } from 'vitest';
import { proxyEnvironment } from '../../core/models/sources/proxy.ts';

const HTTPS = new URL('https://models.example.org/m.gguf');

describe('a proxy', () => {
  it.each([
    [{ HTTPS_PROXY: 'http://proxy:3128' }, 'http://proxy:3128/'],
    [{ HTTPS_PROXY: 'proxy:3128' }, 'http://proxy:3128/'],
    [{ https_proxy: '10.0.0.1:3128', HTTPS_PROXY: 'http://other' }, 'http://10.0.0.1:3128/'],
    [{ ALL_PROXY: 'http://user:secret@proxy:80' }, 'http://user:secret@proxy/'],
    [{ all_proxy: 'proxy' }, 'http://proxy/'],
    [{ ALL_PROXY: 'socks5://x', HTTPS_PROXY: 'https://proxy' }, 'https://proxy/'],
  ])('is taken from %j', (env, address) => {
    expect(proxyEnvironment(HTTPS, env).https_proxy).toBe(address);
  });

  it('is another one for http', () => {
    const env = { HTTPS_PROXY: 'http://a', HTTP_PROXY: 'b:1' };
    expect(proxyEnvironment(new URL('http://models.example.org'), env).http_proxy).toBe('http://b:1/');
  });

  it.each([
    [
      { HTTPS_PROXY: 'socks5://user:secret@127.0.0.1:1080' },
      'HTTPS_PROXY names a proxy of the kind socks5://',
    ],
    [{ all_proxy: 'socks5h://x' }, 'all_proxy names a proxy of the kind socks5h://'],
    [{ HTTPS_PROXY: 'http://:::' }, 'HTTPS_PROXY names no address of a proxy'],
  ])('that cannot be used is an error: %j', (env, message) => {
    const connect = () => proxyEnvironment(HTTPS, env);
    expect(connect).toThrow(message);
    expect(connect).not.toThrow('secret');
  });

  it.each(['models.example.org', 'a.org, .example.org', '*.example.org:443 x', '*', 'EXAMPLE.org'])(
    'is not needed with NO_PROXY=%s',
    (NO_PROXY) => {
      const env = { HTTPS_PROXY: 'socks5://x', NO_PROXY };
      expect(proxyEnvironment(HTTPS, env)).toEqual({});
    },
  );

  it.each(['example.com', 'ample.org', 'models.example.org:80', ''])(
    'is needed with NO_PROXY=%s',
    (NO_PROXY) => {
      expect(() => proxyEnvironment(HTTPS, { HTTPS_PROXY: 'socks5://x', NO_PROXY })).toThrow('socks5');
    },
  );
});
