import { describe, expect, it } from 'vitest';
import {
  createHostRule,
  createOriginRule,
  isOfHost,
  listedOriginOf,
  originOf,
} from '../../src/shared/origin.ts';

it('has one spelling', () => {
  for (const text of [
    'https://example.com',
    'https://example.com/',
    'HTTPS://Example.COM',
    'https://example.com:443',
    'https://example.com.',
    'https://Example.com.:443/',
  ]) {
    expect(originOf(text)).toBe('https://example.com');
  }
  expect(originOf('http://example.com:80')).toBe('http://example.com');
  expect(originOf('http://example.com:443')).toBe('http://example.com:443');
  expect(originOf('https://bücher.example')).toBe('https://xn--bcher-kva.example');
  expect(originOf('http://[::1]:3006')).toBe('http://[::1]:3006');
});

it('is of an app, too, in one spelling', () => {
  for (const [text, origin] of [
    ['capacitor://localhost', 'capacitor://localhost'],
    ['Capacitor://LocalHost/', 'capacitor://localhost'],
    ['tauri://localhost', 'tauri://localhost'],
    ['chrome-extension://abcdefghijklmnop', 'chrome-extension://abcdefghijklmnop'],
    ['moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc', undefined],
  ] as const) {
    expect(originOf(text)).toBe(origin ?? text);
  }
});

it('is nothing else', () => {
  for (const text of [
    '',
    'null',
    'example.com',
    'file:///etc/passwd',
    'file://',
    'file://host',
    'wss://example.com',
    'javascript://example.com',
    'capacitor://',
    'capacitor://localhost/path',
    'capacitor://a b',
    'https://.',
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
  expect(isOfHost('https://example.com.', 'example.com')).toBe(true);
  expect(isOfHost('capacitor://localhost', 'localhost')).toBe(false);
  expect(isOfHost('https://example.com', 'example.com:80')).toBe(false);
  expect(isOfHost('http://example.com:8080', 'example.com')).toBe(false);
  expect(isOfHost('http://example.com', 'example.com.evil.test')).toBe(false);
  expect(isOfHost('http://example.com', '')).toBe(false);
  expect(isOfHost('null', 'null')).toBe(false);
  expect(isOfHost('http://evil.test', 'evil.test/example.com')).toBe(false);
});

describe('a list of origins', () => {
  const isKnown = createOriginRule([
    'https://chat.example',
    'capacitor://localhost',
    'https://*.Example.com',
    'http://*.example.com:8080',
  ]);

  it('knows those in it, in every spelling, and those below a wildcard at any depth', () => {
    for (const origin of [
      'https://chat.example',
      'https://CHAT.example.:443',
      'capacitor://localhost',
      'https://a.example.com',
      'https://A.b.example.com.',
      'http://a.example.com:8080',
    ]) {
      expect([origin, isKnown(origin)]).toEqual([origin, true]);
    }
  });

  it('knows nobody else', () => {
    for (const origin of [
      'https://example.com',
      'https://.example.com',
      'http://a.example.com',
      'https://a.example.com:8080',
      'https://aexample.com',
      'https://a.example.com.evil.test',
      'https://evil.test/.example.com',
      'https://evil.test#.example.com',
      'https://chat.example:444',
      'http://chat.example',
      'https://chat.example..',
      'ionic://localhost',
      'http://localhost',
      'null',
      '',
    ]) {
      expect([origin, isKnown(origin)]).toEqual([origin, false]);
    }
  });

  it('takes no other wildcards', () => {
    for (const text of [
      'https://*',
      'https://*.com',
      'https://*.*.example.com',
      'https://a.*.example.com',
      'https://a*.example.com',
      'https://*example.com',
      'https://*.127.0.0.1',
      'https://*.[::1]',
      'chrome-extension://*',
      'capacitor://*.localhost',
      '*://example.com',
      'https://example.com:*',
    ]) {
      expect([text, listedOriginOf(text)]).toEqual([text, undefined]);
    }
    expect(listedOriginOf('http://*.LOCALHOST:5173/')).toBe('http://*.localhost:5173');
  });
});

it('the names of a host: of this machine, and those listed, with the dot and without', () => {
  const isOurs = createHostRule(['chat.example', '*.example.com:8080']);
  for (const host of ['localhost.', 'Chat.Example', 'chat.example.', 'a.example.com:8080']) {
    expect([host, isOurs(host)]).toEqual([host, true]);
  }
  for (const host of ['example.com:8080', 'a.example.com', 'chat.example.evil.test', '', '*']) {
    expect([host, isOurs(host)]).toEqual([host, false]);
  }
});
