/** Proxies by the variables that other programs read too: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, or lower case. */
import { SourceFailure } from './failure.ts';

type Environment = Readonly<NodeJS.ProcessEnv>;

/**
 * The environment for an agent of Node, which ignores ALL_PROXY, an address without http:// and other kinds of proxies.
 *
 * @throws SourceFailure for a proxy that cannot be used: the user would not expect a direct connection.
 */
export function proxyEnvironment(url: URL, env: Environment): Environment {
  const own = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const names = [own, own.toUpperCase(), 'all_proxy', 'ALL_PROXY'];
  const name = names.find((each) => env[each]);
  if (name === undefined || isExempt(url, env.no_proxy || env.NO_PROXY)) return {};
  const text = env[name]!.trim();
  const address = URL.parse(/^[a-z][\w+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (address?.protocol === 'http:' || address?.protocol === 'https:') return { ...env, [own]: address.href };
  const kind = address ? `a proxy of the kind ${address.protocol}//` : 'no address of a proxy';
  throw new SourceFailure(`${name} names ${kind}, and percept can use http:// and https:// proxies alone`);
}

/** Whether NO_PROXY lists the host, a domain above it, or "*". Node also knows ranges of addresses. */
function isExempt({ hostname, port, protocol }: URL, list = ''): boolean {
  const own = port || (protocol === 'https:' ? '443' : '80');
  return list.split(/[\s,]+/).some((entry) => {
    const [, domain = '', only] = /^(?:\*?\.)?(.*?)(?::(\d+))?$/.exec(entry.toLowerCase())!;
    if (entry === '*') return true;
    if (domain === '' || (only !== undefined && only !== own)) return false;
    return hostname === domain || hostname.endsWith(`.${domain}`);
  });
}
