import { expect, it } from 'vitest';
import { isOfHost, originOf } from '../../src/shared/origin.ts';

it('has one spelling', () => {
  for (const text of [
    'https://example.com',
    'https://example.com/',
    'HTTPS://Example.COM',
    'https://example.com:443',
  ]) {
    expect(originOf(text)).toBe('https://example.com');
  }
  expect(originOf('http://example.com:80')).toBe('http://example.com');
  expect(originOf('http://example.com:443')).toBe('http://example.com:443');
  expect(originOf('https://bücher.example')).toBe('https://xn--bcher-kva.example');
  expect(originOf('http://[::1]:3006')).toBe('http://[::1]:3006');
});

it('is of a page on the web', () => {
  for (const text of [
    '',
    'null',
    'example.com',
    'file:///etc/passwd',
    'capacitor://localhost',
    'https://',
    'https://a b',
    'https://user@example.com',
    'https://example.com/path',
    'https://example.com?query',
    'https://example.com#hash',
    'https://example.com\\path',
    'https://example.com:99999',
  ]) {
    expect({ text, origin: originOf(text) }).toEqual({ text, origin: undefined });
  }
});

it('is of a host in whatever spelling, with the port that its scheme means', () => {
  expect(isOfHost('http://Example.com', 'example.COM:80')).toBe(true);
  expect(isOfHost('https://example.com', 'example.com:443')).toBe(true);
  expect(isOfHost('https://example.com:443', 'example.com')).toBe(true);
  expect(isOfHost('http://[::1]:3006', '[::1]:3006')).toBe(true);
  expect(isOfHost('https://example.com', 'example.com:80')).toBe(false);
  expect(isOfHost('http://example.com:8080', 'example.com')).toBe(false);
  expect(isOfHost('http://example.com', 'example.com.evil.test')).toBe(false);
  expect(isOfHost('http://example.com', '')).toBe(false);
  expect(isOfHost('null', 'null')).toBe(false);
  expect(isOfHost('http://evil.test', 'evil.test/example.com')).toBe(false);
});
