import { SocketAddress } from 'node:net';
import { describe, expect, test } from 'vitest';
import { ipText } from '../../src/shared/ip-text.ts';

const bytes = (...groups: number[]): ArrayBuffer => {
  const view = new DataView(new ArrayBuffer(16));
  groups.forEach((group, at) => {
    view.setUint16(at * 2, group);
  });
  return view.buffer;
};

describe('the text of a binary address', () => {
  test('IPv4', () => {
    expect(ipText(new Uint8Array([192, 0, 2, 1]).buffer)).toBe('192.0.2.1');
  });

  test('IPv4 mapped into IPv6 is IPv4', () => {
    expect(ipText(bytes(0, 0, 0, 0, 0, 0xffff, 0x7f00, 1))).toBe('127.0.0.1');
  });

  test.each([
    ['::1', bytes(0, 0, 0, 0, 0, 0, 0, 1)],
    ['::', bytes(0, 0, 0, 0, 0, 0, 0, 0)],
    ['2001:db8::', bytes(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)],
    ['2001:db8::1:0:0:1', bytes(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)],
    ['2001:0:0:1::1', bytes(0x2001, 0, 0, 1, 0, 0, 0, 1)],
    ['2001:db8:0:1:1:1:1:1', bytes(0x2001, 0xdb8, 0, 1, 1, 1, 1, 1)],
    ['fe80::a:b:c:d', bytes(0xfe80, 0, 0, 0, 0xa, 0xb, 0xc, 0xd)],
  ])('IPv6 is shortened: %s', (text, address) => {
    expect(ipText(address)).toBe(text);
    // As Node spells it.
    expect(new SocketAddress({ address: text, family: 'ipv6' }).address).toBe(text);
  });

  test('anything else is empty', () => {
    expect(ipText(new ArrayBuffer(0))).toBe('');
  });
});
