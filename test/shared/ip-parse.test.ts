import { describe, expect, test } from 'vitest';
import { parseIp } from '../../src/shared/ip-parse.ts';
import { ipText } from '../../src/shared/ip-text.ts';

const canonical = (text: string): string | undefined => {
  const address = parseIp(text);
  return address && ipText(address);
};

describe('an address read from text', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:51234', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:201', '192.0.2.1'],
    ['[::ffff:192.0.2.1]:80', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:0DB8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['2001:db8:0:0:0::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['::', '::'],
    ['1::', '1::'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ])('%s', (text, expected) => {
    expect(canonical(text)).toBe(expected);
  });

  test.each(['', 'unknown', '_hidden', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.4:', '1.2.3.4:x'])(
    'is none: %j',
    (text) => expect(parseIp(text)).toBe(undefined),
  );
  test.each([
    '256.1.1.1',
    '1::2::3',
    '12345::',
    ':::',
    '[1.2.3.4',
    '[::1]:http',
    '[]',
    '%eth0',
    '٣.1.1.1',
  ])('is none: %j', (text) => expect(parseIp(text)).toBe(undefined));
});
