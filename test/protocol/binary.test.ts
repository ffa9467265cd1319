import { describe, expect, test } from 'vitest';
import { AttachmentCollector } from '../../src/protocol/binary.ts';
import { type BinaryPacket, decodeSocketPacket } from '../../src/protocol/socket-packet.ts';
import { codeOf } from './outcome.ts';

const LIMITS = {
  maxAttachments: 10,
  maxDepth: 64,
  maxNodes: 10_000,
  maxNamespaceLength: 16,
  maxEventNameLength: 16,
};
const A = new Uint8Array([1]);
const B = new Uint8Array([2, 2]);

function binary(wire: string): BinaryPacket {
  const packet = decodeSocketPacket(wire, LIMITS);
  if (packet.type !== 'binary') throw new Error('not a binary packet');
  return packet;
}
const hole = (num: unknown) => `{"_placeholder":true,"num":${JSON.stringify(num)}}`;

describe('a binary packet', () => {
  test('is complete with its last attachment', () => {
    const collector = new AttachmentCollector(
      binary(`52-/admin,3["x",${hole(0)},{"a":[${hole(1)}]}]`),
    );
    expect(collector.add(A)).toBeUndefined();
    expect(collector.add(B)).toEqual({
      type: 'event',
      namespace: '/admin',
      args: ['x', A, { a: [B] }],
      ackId: 3,
    });
  });

  test('may be an acknowledgement', () => {
    expect(new AttachmentCollector(binary(`61-15[${hole(0)}]`)).add(A)).toEqual({
      type: 'ack',
      namespace: '/',
      args: [A],
      ackId: 15,
    });
  });

  test('puts attachments where their number says, in whatever order the text names them', () => {
    const collector = new AttachmentCollector(binary(`52-["x",${hole(1)},${hole(0)}]`));
    collector.add(A);
    expect(collector.add(B)?.args).toEqual(['x', B, A]);
  });

  test('takes nothing after it is complete', () => {
    const collector = new AttachmentCollector(binary(`51-["x",${hole(0)}]`));
    collector.add(A);
    expect(codeOf(() => collector.add(B))).toBe('invalid_attachments');
  });

  test('takes as many bytes as the limit, not one more', () => {
    const two = () =>
      new AttachmentCollector(binary(`52-["x",${hole(0)},${hole(1)}]`), { maxBytes: 3 });
    const fits = two();
    fits.add(A);
    expect(fits.add(B)?.args).toEqual(['x', A, B]);
    const over = two();
    over.add(B);
    expect(codeOf(() => over.add(B))).toBe('too_large');
  });

  test('hides no placeholder under __proto__, and does not write to a prototype', () => {
    const collector = new AttachmentCollector(binary(`51-["x",{"__proto__":${hole(0)}}]`));
    const value = collector.add(A)?.args[1];
    if (typeof value !== 'object' || value === null) throw new Error('no object');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(value, '__proto__')?.value).toBe(A);
  });

  test('is not fooled by an inherited placeholder', () => {
    const wire = `51-["x",{"__proto__":{"_placeholder":true},"num":0},${hole(0)}]`;
    expect(codeOf(() => new AttachmentCollector(binary(wire)))).toBe('invalid_attachments');
  });

  test('is not fooled by what is only like a placeholder', () => {
    const wire = `51-["x",{"_placeholder":1,"num":0},{"_placeholder":false},${hole(0)}]`;
    expect(new AttachmentCollector(binary(wire)).add(A)?.args).toEqual([
      'x',
      { _placeholder: 1, num: 0 },
      { _placeholder: false },
      A,
    ]);
  });
});

describe('placeholders that do not match the attachments are refused before the first one', () => {
  test.each([
    ['CVE-2022-2421: a number that is a method name', `51-["x",${hole('splice')}]`],
    ['a number that is a string', `51-["x",${hole('0')}]`],
    ['a number too high', `51-["x",${hole(1)}]`],
    ['a negative number', `51-["x",${hole(-1)}]`],
    ['a fraction', `51-["x",${hole(0.5)}]`],
    ['no number', '51-["x",{"_placeholder":true}]'],
    ['an object as number', `51-["x",${hole({})}]`],
    ['a number twice', `51-["x",${hole(0)},${hole(0)}]`],
    ['fewer placeholders than announced', `52-["x",${hole(0)}]`],
    ['no placeholder', '51-["x"]'],
    ['a placeholder hidden in another', `51-["x",{"_placeholder":true,"num":${hole(0)}}]`],
  ])('%s', (_, wire) => {
    expect(codeOf(() => new AttachmentCollector(binary(wire)))).toBe('invalid_attachments');
  });
});
