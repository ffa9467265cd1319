import { describe, expect, test } from 'vitest';
import {
  encodeAck,
  encodeConnect,
  encodeConnectError,
  encodeDisconnect,
  encodeEvent,
  encodeTextAck,
  encodeTextEvent,
} from '../../src/protocol/socket-packet.ts';
import { codeOf } from './outcome.ts';

describe('encoding gives Engine.IO frames', () => {
  const b = new Uint8Array([1, 2, 3, 4]);

  test.each<[string, readonly (string | Uint8Array)[]]>([
    ['40{"sid":"x"}', encodeConnect('/', { sid: 'x' })],
    ['40', encodeConnect('/')],
    ['40/admin,{"sid":"x"}', encodeConnect('/admin', { sid: 'x' })],
    ['44{"message":"no"}', encodeConnectError('/', { message: 'no' })],
    [
      '44/x,{"message":"Invalid namespace"}',
      encodeConnectError('/x', { message: 'Invalid namespace' }),
    ],
    [
      '44{"message":"no","data":{"code":"c"}}',
      encodeConnectError('/', { message: 'no', data: { code: 'c' } }),
    ],
    ['41', encodeDisconnect('/')],
    ['41/admin,', encodeDisconnect('/admin')],
    ['42["foo"]', encodeEvent('/', ['foo'])],
    ['42/admin,["bar"]', encodeEvent('/admin', ['bar'])],
    ['4212["foo",null,1,true,{"a":[]}]', encodeEvent('/', ['foo', null, 1, true, { a: [] }], 12)],
    ['420["foo"]', encodeEvent('/', ['foo'], 0)],
    ['4312[]', encodeAck('/', [], 12)],
    ['43/admin,13["bar"]', encodeAck('/admin', ['bar'], 13)],
  ])('%s', (wire, frames) => {
    expect(frames).toEqual([wire]);
  });

  test('binary data becomes a placeholder and a frame of its own', () => {
    expect(encodeEvent('/', ['baz', b])).toEqual(['451-["baz",{"_placeholder":true,"num":0}]', b]);
    expect(encodeEvent('/admin', ['baz', { x: [b] }, b.buffer], 7)).toEqual([
      '452-/admin,7["baz",{"x":[{"_placeholder":true,"num":0}]},{"_placeholder":true,"num":1}]',
      b,
      b,
    ]);
    expect(encodeAck('/', ['bar', Buffer.from(b)], 15)).toEqual([
      '461-15["bar",{"_placeholder":true,"num":0}]',
      Buffer.from(b),
    ]);
  });

  test('every view is sent with exactly its bytes', () => {
    const view = new DataView(b.buffer, 1, 2);
    expect(encodeEvent('/', ['x', view])[1]).toEqual(new Uint8Array([2, 3]));
    expect(encodeEvent('/', ['x', new Uint16Array([0x0201])])[1]).toEqual(new Uint8Array([1, 2]));
  });

  test('the arguments are left as they were', () => {
    const args: [string, unknown] = ['x', { b, nested: [b] }];
    encodeEvent('/', args);
    expect(args).toEqual(['x', { b, nested: [b] }]);
  });

  test('toJSON is honoured, with and without binary data in it', () => {
    const date = new Date(0);
    expect(encodeEvent('/', ['x', date])).toEqual(['42["x","1970-01-01T00:00:00.000Z"]']);
    expect(encodeEvent('/', ['x', { toJSON: () => [b] }, date])).toEqual([
      '451-["x",[{"_placeholder":true,"num":0}],"1970-01-01T00:00:00.000Z"]',
      b,
    ]);
  });

  test('toJSON is honoured where it is not an enumerable property', () => {
    for (const value of [{ a: 1 }, [1]]) {
      Object.defineProperty(value, 'toJSON', { value: () => 'short' });
      expect(encodeEvent('/', ['x', value])).toEqual(['42["x","short"]']);
    }
  });

  test('lone surrogates and control characters are escaped', () => {
    expect(encodeEvent('/', ['\ud800', '\x1e\n', { '\udc00"': '"' }])).toEqual([
      '42["\\ud800","\\u001e\\n",{"\\udc00\\"":"\\""}]',
    ]);
  });

  test('__proto__ as a key stays a key', () => {
    const value: unknown = JSON.parse('{"__proto__":{"a":1}}');
    expect(encodeEvent('/', ['x', value])).toEqual(['42["x",{"__proto__":{"a":1}}]']);
    expect(encodeEvent('/', ['x', value, b])[0]).toBe(
      '451-["x",{"__proto__":{"a":1}},{"_placeholder":true,"num":0}]',
    );
  });

  test('a circular value is an error, not a crash', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(codeOf(() => encodeEvent('/', ['x', loop]))).toBe('too_deep');
    expect(codeOf(() => encodeEvent('/', ['x', { toJSON: () => loop }]))).toBe('too_deep');
  });

  test.each(['admin', '/a,b', '/a\x1e', '/a\n', ''])('the namespace %j is refused', (namespace) => {
    expect(codeOf(() => encodeEvent(namespace, ['x']))).toBe('invalid_namespace');
    expect(codeOf(() => encodeDisconnect(namespace))).toBe('invalid_namespace');
  });

  test('a payload that is JSON already goes in as it is', () => {
    expect(encodeTextEvent('new_message', '{"a":1}')).toBe('42["new_message",{"a":1}]');
    expect(encodeTextEvent('"', '1')).toBe('42["\\"",1]');
    expect(encodeTextAck(7, '{"success":true}')).toBe('437[{"success":true}]');
  });
});
