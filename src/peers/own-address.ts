/** The address under which other processes find this one. */
import { networkInterfaces } from 'node:os';

/**
 * `host` itself; for `auto` the first address of this machine that others can reach, IPv4 before
 * IPv6, and the loopback address where there is none.
 */
export function ownAddress(host: string): string {
  if (host !== 'auto') return host;
  const reachable = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    // A link-local address of IPv6 means nothing without the interface.
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  const first = reachable.find(({ family }) => family === 'IPv4') ?? reachable[0];
  return first?.address ?? '127.0.0.1';
}
