import { expect, it } from 'vitest';
import { RequestFraming } from '../../src/shared/request-framing.ts';

type Field = [name: string, value: string];
const HOST: Field = ['host', 'example.com'];

function faultOf(...fields: Field[]): string | undefined {
  const framing = new RequestFraming();
  for (const [name, value] of fields) framing.take(name, value);
  return framing.fault();
}

it('finds nothing wrong with what one reading only is possible of', () => {
  expect(faultOf(HOST)).toBeUndefined();
  expect(faultOf(HOST, ['content-length', '0'])).toBeUndefined();
  expect(faultOf(HOST, ['transfer-encoding', 'Chunked'])).toBeUndefined();
  expect(faultOf(HOST, ['x-other', 'a'], ['x-other', 'b'])).toBeUndefined();
});

it('refuses what two servers could read differently', () => {
  expect(faultOf()).toBe('Missing header host');
  expect(faultOf(HOST, HOST)).toBe('Repeated header host');
  expect(faultOf(HOST, ['content-length', '5'], ['content-length', '5'])).toBe(
    'Repeated header content-length',
  );
  expect(faultOf(HOST, ['transfer-encoding', 'chunked'], ['transfer-encoding', 'chunked'])).toBe(
    'Repeated header transfer-encoding',
  );
  for (const length of ['', '-1', '+5', '5, 5', '0x5', '5 ', '1'.repeat(16)]) {
    expect(faultOf(HOST, ['content-length', length])).toBe('Malformed header content-length');
  }
  for (const coding of ['', 'gzip', 'gzip, chunked', 'chunked, chunked', 'xchunked', 'identity']) {
    expect(faultOf(HOST, ['transfer-encoding', coding])).toBe(
      'Unsupported header transfer-encoding',
    );
  }
  expect(faultOf(HOST, ['content-length', '5'], ['transfer-encoding', 'chunked'])).toBe(
    'Unsupported header transfer-encoding',
  );
});

it('knows whether a body follows', () => {
  const framingOf = (...fields: Field[]) => {
    const framing = new RequestFraming();
    for (const [name, value] of fields) framing.take(name, value);
    return framing;
  };
  expect(framingOf(HOST).hasBody).toBe(false);
  expect(framingOf(['content-length', '0']).hasBody).toBe(false);
  expect(framingOf(['content-length', '1']).hasBody).toBe(true);
  expect(framingOf(['transfer-encoding', 'chunked']).hasBody).toBe(true);
});
