/**
 * Whom a request really comes from, for whatever is counted by address: one function for every door.
 *
 * Guarantees: one client has one key, however its address is spelled, and what a client writes into
 * `X-Forwarded-For` itself never changes it.
 */
import { compile } from '@fastify/proxy-addr';
import type { AddressFacts } from '../shared/address-facts.ts';
import { parseIp } from '../shared/ip-parse.ts';
import { ipText } from '../shared/ip-text.ts';

/**
 * The key of a client: its IPv4 address, or the /64 of its IPv6 address, within which a client takes
 * as many addresses as it likes (RFC 4291 section 2.5.1, RFC 8981).
 */
export type ClientAddress = (facts: AddressFacts) => string;

const FORWARDED_FOR = 'x-forwarded-for';
const IPV6_BYTES = 16;
const IPV6_NETWORK_BYTES = 8;
/** 64:ff9b::/96 (RFC 6052): IPv4 clients of a server that has IPv6 only. */
const NAT64_PREFIX = Uint8Array.of(0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0);

/**
 * Looks through `X-Forwarded-For` from the right, for as long as what is there is a trusted proxy.
 * What is no address ends the look: it stands for nobody, so the proxy that passed it on answers for it.
 *
 * @param trusted addresses and CIDR ranges (also `loopback`, `linklocal`, `uniquelocal`); none: the
 *   header is ignored, since anybody can send it
 * @throws TypeError when one of them is no address
 */
export function createClientAddress(trusted: readonly string[]): ClientAddress {
  const isTrusted = trusted.length === 0 ? () => false : compile([...trusted]);
  return ({ address, headers }) => {
    let found = parseIp(address);
    if (found === undefined) return address;
    // From the right, and no further than needed: the rest of the list is what the client made up.
    let rest = headers.get(FORWARDED_FOR) ?? '';
    for (let hops = 0; rest !== '' && isTrusted(ipText(found), hops); ) {
      const comma = rest.lastIndexOf(',');
      const hop = rest.slice(comma + 1).trim();
      rest = rest.slice(0, Math.max(comma, 0));
      if (hop === '') continue; // RFC 9110 section 5.6.1: an empty element is none.
      const next = parseIp(hop);
      if (next === undefined) break;
      found = next;
      hops += 1;
    }
    return keyOf(found);
  };
}

function keyOf(address: ArrayBuffer): string {
  const bytes = new Uint8Array(address);
  if (NAT64_PREFIX.every((byte, at) => bytes[at] === byte)) return ipText(address.slice(-4));
  const text = ipText(address);
  if (bytes.length !== IPV6_BYTES || !text.includes(':')) return text;
  return `${ipText(bytes.fill(0, IPV6_NETWORK_BYTES).buffer)}/64`;
}
