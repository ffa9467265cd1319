/** The address a request really comes from, when proxies stand in front. */
import { compile } from '@fastify/proxy-addr';

/** What a proxy wrote may be anything; it only ever counts as a key. */
const MAX_ADDRESS_LENGTH = 64;

export type ClientAddress = (peer: string, forwardedFor: string | undefined) => string;

/**
 * Looks through `X-Forwarded-For` from the right, for as long as what is there is a trusted proxy.
 *
 * @param trusted addresses and CIDR ranges (also `loopback`, `linklocal`, `uniquelocal`); none: the
 *   header is ignored, since anybody can send it
 * @throws TypeError when one of them is no address
 */
export function createClientAddress(trusted: readonly string[]): ClientAddress {
  if (trusted.length === 0) return (peer) => peer;
  const isTrusted = compile([...trusted]);
  return (peer, forwardedFor) => {
    if (forwardedFor === undefined || forwardedFor === '') return peer;
    const hops = forwardedFor.split(',').map((hop) => hop.trim());
    let address = peer;
    for (let at = hops.length - 1; at >= 0 && isTrusted(address, hops.length - 1 - at); at -= 1) {
      address = hops[at]?.slice(0, MAX_ADDRESS_LENGTH) ?? address;
    }
    return address;
  };
}
