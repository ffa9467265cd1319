/** Reads an IP address from text, however it is spelled; the opposite of ip-text.ts. */
import { isIPv4, isIPv6 } from 'node:net';

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
const IPV6_GROUPS = 8;

/** `[2001:db8::1]`, `[2001:db8::1]:443` */
const BRACKETED = /^\[([^\]]*)\](?::\d{1,5})?$/;
/** `192.0.2.1:51234`: with more colons it is an IPv6 address. */
const WITH_PORT = /^([^:]+):\d{1,5}$/;

/**
 * The address in network order: 4 bytes IPv4, 16 bytes IPv6. A port, brackets and a zone are left out:
 * proxies add them, and none of them tells one client from another.
 *
 * @returns undefined when the text is no address
 */
export function parseIp(text: string): ArrayBuffer | undefined {
  const host = (BRACKETED.exec(text) ?? WITH_PORT.exec(text))?.[1] ?? text;
  if (isIPv4(host)) return ipv4Bytes(host).buffer;
  const address = host.split('%', 1)[0] ?? host;
  return isIPv6(address) ? ipv6Bytes(address) : undefined;
}

function ipv4Bytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(IPV4_BYTES);
  bytes.set(text.split('.').map(Number));
  return bytes;
}

/** `text` is valid: at most one `::`, and dotted decimals only at the end. */
function ipv6Bytes(text: string): ArrayBuffer {
  const [head = '', tail] = text.split('::');
  const first = groupsOf(head);
  const last = groupsOf(tail ?? '');
  const view = new DataView(new ArrayBuffer(IPV6_BYTES));
  first.forEach((group, at) => {
    view.setUint16(2 * at, group);
  });
  last.forEach((group, at) => {
    view.setUint16(2 * (IPV6_GROUPS - last.length + at), group);
  });
  return view.buffer;
}

function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = ipv4Bytes(part);
    return [a * 256 + b, c * 256 + d];
  });
}
