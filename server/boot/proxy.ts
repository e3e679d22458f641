import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Addresses that begin with the same `prefix` bits; all of them for a single one. */
export interface Network {
  address: string;
  prefix: number;
  family: 'ipv4' | 'ipv6';
}

/** Reads an address, or a network as `10.0.0.0/8`; undefined when it is neither. */
export function networkOf(text: string): Network | undefined {
  const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const most = version === 6 ? 128 : 32;
  const prefix = bits === undefined ? most : Number(bits);
  return prefix > most ? undefined : { address, prefix, family: version === 6 ? 'ipv6' : 'ipv4' };
}

/** The address of a request; of a proxy that is believed, the one that it names. */
export function addressOf(trusted: readonly Network[]): (req: IncomingMessage) => string {
  const proxies = new BlockList();
  for (const { address, prefix, family } of trusted) proxies.addSubnet(address, prefix, family);
  const isProxy = (address: string): boolean => {
    const plain = address.replace(/^::ffff:/, '');
    return isIP(plain) !== 0 && proxies.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
  };
  return (req) => {
    let address = req.socket.remoteAddress ?? '';
    const forwarded = req.headers['x-forwarded-for'];
    const hops = (Array.isArray(forwarded) ? forwarded.join(',') : (forwarded ?? ''))
      .split(',')
      .map((hop) => hop.trim());
    // From the nearest hop outwards, for as long as whoever names the next one is believed.
    while (isProxy(address)) {
      const next = hops.pop();
      if (!next || isIP(next) === 0) break;
      address = next;
    }
    return address;
  };
}
