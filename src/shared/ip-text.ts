/** Turns a binary IP address into the text Node's own sockets would show for it. */

/**
 * The text of a binary address as uWebSockets.js hands it out: 4 bytes IPv4, 16 bytes IPv6 (network
 * order). An IPv4-mapped IPv6 address comes out as plain IPv4, so that one client has one name on a
 * dual-stack socket; other IPv6 addresses are shortened as RFC 5952 says. Any other length gives ''.
 */
export function ipText(bytes: ArrayBuffer): string {
  const b = new Uint8Array(bytes);
  if (b.length === 4) return b.join('.');
  if (b.length !== 16) return '';
  if (b[10] === 0xff && b[11] === 0xff && b.subarray(0, 10).every((byte) => byte === 0)) {
    return b.subarray(12).join('.');
  }
  return ipv6Text(new DataView(bytes));
}

function ipv6Text(view: DataView): string {
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(view.getUint16(at));
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  // RFC 5952, 4.2.2: a single zero group is not shortened.
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  groups.forEach((group, at) => {
    length = group === 0 ? length + 1 : 0;
    if (length > best.length) best = { start: at - length + 1, length };
  });
  return best;
}
