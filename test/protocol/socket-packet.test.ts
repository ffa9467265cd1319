import { describe, expect, it, test } from 'vitest';
import {
  decodeSocketPacket,
  type SocketLimits,
  type SocketPacket,
} from '../../src/protocol/socket-packet.ts';
import { codeOf } from './outcome.ts';

const LIMITS: SocketLimits = {
  maxAttachments: 3,
  maxDepth: 8,
  maxNodes: 4_000,
  maxNamespaceLength: 16,
  maxEventNameLength: 20,
};
const decode = (data: string) => decodeSocketPacket(data, LIMITS);

describe('a packet in the middle of a text', () => {
  it.each([
    '0/admin,{"token":"123"}',
    '1/admin,',
    '2["foo"]',
    '2/admin,12["foo",{"a":1}]',
    '312["bar"]',
    '4{"message":"Not authorized"}',
    '51-["baz",{"_placeholder":true,"num":0}]',
    '61-15["bar",{"_placeholder":true,"num":0}]',
  ])('%s is read from where it begins', (packet) => {
    expect(decodeSocketPacket(`4${packet}`, LIMITS, 1)).toEqual(decodeSocketPacket(packet, LIMITS));
  });
});

describe('a Socket.IO packet decodes', () => {
  test.each<[string, SocketPacket]>([
    ['0', { type: 'connect', namespace: '/', data: undefined }],
    ['0{"token":"123"}', { type: 'connect', namespace: '/', data: { token: '123' } }],
    ['0/admin,', { type: 'connect', namespace: '/admin', data: undefined }],
    ['0/admin', { type: 'connect', namespace: '/admin', data: undefined }],
    ['0/admin,{"a":1}', { type: 'connect', namespace: '/admin', data: { a: 1 } }],
    ['1', { type: 'disconnect', namespace: '/' }],
    ['1/admin,', { type: 'disconnect', namespace: '/admin' }],
    ['1/admin', { type: 'disconnect', namespace: '/admin' }],
    ['2["foo"]', { type: 'event', namespace: '/', args: ['foo'], ackId: undefined }],
    ['2/,["foo"]', { type: 'event', namespace: '/', args: ['foo'], ackId: undefined }],
    ['2/admin,["bar"]', { type: 'event', namespace: '/admin', args: ['bar'], ackId: undefined }],
    ['212["foo"]', { type: 'event', namespace: '/', args: ['foo'], ackId: 12 }],
    ['20["foo"]', { type: 'event', namespace: '/', args: ['foo'], ackId: 0 }],
    [
      '2/admin,13["a",[],{}]',
      { type: 'event', namespace: '/admin', args: ['a', [], {}], ackId: 13 },
    ],
    ['29007199254740991["x"]', { type: 'event', namespace: '/', args: ['x'], ackId: 2 ** 53 - 1 }],
    [
      '2["say","\\ud800"]',
      { type: 'event', namespace: '/', args: ['say', '\ud800'], ackId: undefined },
    ],
    ['2[""]', { type: 'event', namespace: '/', args: [''], ackId: undefined }],
    ['2["error"]', { type: 'event', namespace: '/', args: ['error'], ackId: undefined }],
    ['2["a", 1 ] ', { type: 'event', namespace: '/', args: ['a', 1], ackId: undefined }],
    ['312[]', { type: 'ack', namespace: '/', args: [], ackId: 12 }],
    ['3/admin,13["bar"]', { type: 'ack', namespace: '/admin', args: ['bar'], ackId: 13 }],
    ['31["connect"]', { type: 'ack', namespace: '/', args: ['connect'], ackId: 1 }],
    ['4{"message":"no"}', { type: 'connect_error', namespace: '/', data: { message: 'no' } }],
    ['4"no"', { type: 'connect_error', namespace: '/', data: 'no' }],
    ['4/a,{}', { type: 'connect_error', namespace: '/a', data: {} }],
    [
      '51-["baz",{"_placeholder":true,"num":0}]',
      {
        type: 'binary',
        pending: 1,
        packet: {
          type: 'event',
          namespace: '/',
          args: ['baz', { _placeholder: true, num: 0 }],
          ackId: undefined,
        },
      },
    ],
    [
      '61-/admin,15[{"_placeholder":true,"num":0}]',
      {
        type: 'binary',
        pending: 1,
        packet: {
          type: 'ack',
          namespace: '/admin',
          args: [{ _placeholder: true, num: 0 }],
          ackId: 15,
        },
      },
    ],
  ])('%s', (wire, packet) => {
    expect(decode(wire)).toEqual(packet);
  });

  test('an event name that is a number is its decimal string, as an event emitter has it', () => {
    expect(decode('2[1,"x"]')).toMatchObject({ type: 'event', args: ['1', 'x'] });
    expect(decode('2[-1.50]')).toMatchObject({ type: 'event', args: ['-1.5'] });
  });
});

describe('a malformed packet is refused', () => {
  test.each([
    ['no type', '', 'invalid_packet_type'],
    ['an unknown type', '7["x"]', 'invalid_packet_type'],
    ['a letter as type', 'abc', 'invalid_packet_type'],
    ['a key of Object.prototype as type', '__proto__', 'invalid_packet_type'],
    ['CONNECT with an array', '0[]', 'invalid_payload'],
    ['CONNECT with null', '0null', 'invalid_payload'],
    ['CONNECT with a string', '0"abc"', 'invalid_payload'],
    ['CONNECT with a number, which looks like an ack id', '012', 'invalid_payload'],
    ['CONNECT with what is not JSON', '0{', 'invalid_json'],
    ['DISCONNECT with a payload', '1{}', 'invalid_payload'],
    ['DISCONNECT with an ack id', '1/admin,5', 'invalid_payload'],
    ['EVENT without a payload', '2', 'invalid_payload'],
    ['EVENT with an id and no payload', '21', 'invalid_payload'],
    ['EVENT with a namespace and no payload', '2/admin', 'invalid_payload'],
    ['EVENT with an object', '2{}', 'invalid_payload'],
    ['EVENT with a string', '2"x"', 'invalid_payload'],
    ['EVENT with a space before the payload', '2 ["x"]', 'invalid_payload'],
    ['EVENT with a signed ack id', '2-1["x"]', 'invalid_payload'],
    ['EVENT with a fractional ack id', '21.5["x"]', 'invalid_payload'],
    ['EVENT with an exponent in the ack id', '21e3["x"]', 'invalid_payload'],
    ['EVENT with a key of Object.prototype as ack id', '2__proto__["x"]', 'invalid_payload'],
    ['EVENT with an ack id past the safe integers', '29007199254740992["x"]', 'invalid_ack_id'],
    ['EVENT with an endless ack id', `2${'1'.repeat(100_000)}["x"]`, 'invalid_ack_id'],
    ['EVENT with an empty array', '2[]', 'invalid_event'],
    ['EVENT with null as name', '2[null]', 'invalid_event'],
    ['EVENT with a boolean as name', '2[true]', 'invalid_event'],
    ['EVENT with an array as name', '2[["x"]]', 'invalid_event'],
    ['EVENT with a broken array', '2["x"', 'invalid_json'],
    ['EVENT with something after the array', '2["x"]]', 'invalid_json'],
    ['EVENT with a raw control character', '2["x","\n"]', 'invalid_json'],
    ['EVENT with a backslash where the name ends', '2["x\\,{"a":1}]', 'invalid_json'],
    ['EVENT with single quotes', "2['x']", 'invalid_json'],
    ['ACK without an id', '3[]', 'invalid_ack_id'],
    ['ACK without a payload', '31', 'invalid_payload'],
    ['ACK with an object', '31{}', 'invalid_payload'],
    ['CONNECT_ERROR without a payload', '4', 'invalid_json'],
    ['CONNECT_ERROR with a number', '45', 'invalid_payload'],
    ['BINARY_EVENT without a count', '5["x"]', 'invalid_attachments'],
    ['BINARY_EVENT without a dash', '51["x"]', 'invalid_attachments'],
    ['BINARY_EVENT with only a dash', '5-["x"]', 'invalid_attachments'],
    ['BINARY_EVENT with zero attachments', '50-["x"]', 'invalid_attachments'],
    ['BINARY_EVENT with zero written long', '5000-["x"]', 'invalid_attachments'],
    ['BINARY_EVENT with a negative count', '5-1-["x"]', 'invalid_attachments'],
    ['BINARY_EVENT with a fractional count', '51.5-["x"]', 'invalid_attachments'],
    ['BINARY_EVENT with a count of a letter', '5a-["x"]', 'invalid_attachments'],
    ['BINARY_EVENT that ends in its count', '51', 'invalid_attachments'],
    ['BINARY_EVENT without a payload', '51-', 'invalid_payload'],
    ['BINARY_ACK without an id', '61-[]', 'invalid_ack_id'],
    ['BINARY_ACK with zero attachments', '60-1[]', 'invalid_attachments'],
    ['a control character in the namespace', '0/a\x1eb,', 'invalid_namespace'],
  ])('%s', (_, wire, code) => {
    expect(codeOf(() => decode(wire))).toBe(code);
  });

  test.each([
    'connect',
    'connect_error',
    'disconnect',
    'disconnecting',
    'newListener',
    'removeListener',
  ])('the reserved event name %s', (name) => {
    expect(codeOf(() => decode(`2["${name}",{}]`))).toBe('invalid_event');
    expect(
      codeOf(() => decode(`2["\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}"]`)),
    ).toBe('invalid_event');
    expect(codeOf(() => decode(`51-["${name}",{"_placeholder":true,"num":0}]`))).toBe(
      'invalid_event',
    );
  });
});

describe('a bound is exact', () => {
  test('attachments', () => {
    const wire = (n: string) => `5${n}-["x"]`;
    expect(decode(wire('3'))).toMatchObject({ pending: 3 });
    expect(codeOf(() => decode(wire('4')))).toBe('too_many_attachments');
    expect(codeOf(() => decode(wire('9'.repeat(400))))).toBe('too_many_attachments');
  });

  test('nesting, where the argument array is the first level', () => {
    const nested = (depth: number) => `2["x",${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}]`;
    const mixed = (depth: number) =>
      `2["x",${'{"[{":'.repeat(depth - 1)}"[[[[[[[[[[\\"{{{{{{{{{{"${'}'.repeat(depth - 1)}]`;
    for (const wire of [nested, mixed]) {
      expect(decode(wire(8))).toMatchObject({ type: 'event' });
      expect(codeOf(() => decode(wire(9)))).toBe('too_deep');
    }
    expect(decode(`2["x",${'[[]],'.repeat(1000)}0]`)).toMatchObject({ type: 'event' });
    expect(codeOf(() => decode(`0${'{"a":'.repeat(9)}1${'}'.repeat(9)}`))).toBe('too_deep');
    expect(codeOf(() => decode(`4${'{"a":'.repeat(9)}1${'}'.repeat(9)}`))).toBe('too_deep');
  });

  test('nodes, of which a text has none', () => {
    // `2["x",[` has three nodes, each further number one.
    const list = (nodes: number) => `2["x",[0${',0'.repeat(nodes - 3)}]]`;
    const quoted = `2["x",${JSON.stringify(',:[{"\\'.repeat(2_000))}]`;
    const keys = (nodes: number) => {
      const one = (_: unknown, i: number) => `"k${i}":1`;
      return `{${Array.from({ length: nodes / 2 }, one).join(',')}}`;
    };
    expect(decode(list(4_000))).toMatchObject({ type: 'event' });
    expect(codeOf(() => decode(list(4_001)))).toBe('too_many_nodes');
    expect(decode(quoted)).toMatchObject({ type: 'event' });
    expect(decode(`0${keys(4_000)}`)).toMatchObject({ type: 'connect' });
    expect(codeOf(() => decode(`0${keys(4_002)}`))).toBe('too_many_nodes');
    expect(codeOf(() => decode(list(1_000_000)))).toBe('too_many_nodes');
  });

  test('namespace', () => {
    expect(decode(`0/${'n'.repeat(15)},`)).toMatchObject({ namespace: `/${'n'.repeat(15)}` });
    expect(codeOf(() => decode(`0/${'n'.repeat(16)},`))).toBe('invalid_namespace');
    expect(codeOf(() => decode(`0/${'n'.repeat(16)}`))).toBe('invalid_namespace');
  });

  test('event name', () => {
    expect(decode(`2["${'e'.repeat(20)}"]`)).toMatchObject({ args: ['e'.repeat(20)] });
    expect(codeOf(() => decode(`2["${'e'.repeat(21)}"]`))).toBe('invalid_event');
  });
});

describe('a known attack is refused or harmless', () => {
  test('CVE-2023-32695: an event name that is an object without a string form', () => {
    expect(codeOf(() => decode('2[{"toString":"foo"}]'))).toBe('invalid_event');
    expect(codeOf(() => decode('51-[{"toString":"foo"},{"_placeholder":true,"num":0}]'))).toBe(
      'invalid_event',
    );
  });

  test('CVE-2022-2421: a placeholder in the place of the event name', () => {
    expect(codeOf(() => decode('51-[{"_placeholder":true,"num":0}]'))).toBe('invalid_event');
  });

  test('CVE-2024-38355: an event named error is an event like any other', () => {
    expect(decode('2["error",{"message":"boom"}]')).toMatchObject({ args: ['error', {}] });
  });

  test('CVE-2026-33151: an unbounded number of announced attachments', () => {
    expect(codeOf(() => decode('5999999999-["x"]'))).toBe('too_many_attachments');
    expect(codeOf(() => decode('6999999999-1["x"]'))).toBe('too_many_attachments');
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    '%s as event, namespace and key stays data',
    (key) => {
      expect(decode(`2/${key},["${key}"]`)).toMatchObject({ namespace: `/${key}`, args: [key] });
      const packet = decode(`0{"${key}":{"polluted":true}}`);
      if (packet.type !== 'connect') throw new Error('not a CONNECT');
      expect(Object.keys(packet.data ?? {})).toEqual([key]);
      expect(Object.getPrototypeOf(packet.data)).toBe(Object.prototype);
      expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
    },
  );

  test.each(['[', '{"a":', '[{"a":'])('%s nested a million levels deep', (open) => {
    const deep = open.repeat(1_000_000);
    expect(codeOf(() => decode(`2["x",${deep}`))).toBe('too_deep');
    expect(codeOf(() => decode(`0${deep.replace('[', '{"b":[')}`))).toBe('too_deep');
  });

  test('the error message never repeats what the peer sent', () => {
    for (const wire of ['2["secret', '0/secret\x00', '2["secret"}', '0"secret"', 'secret']) {
      try {
        decode(wire);
        expect.unreachable();
      } catch (error) {
        expect(String(error)).not.toContain('secret');
      }
    }
  });
});
