import { expect, it } from 'vitest';
import { parseUrl } from '../../src/shared/url.ts';

/** Calls after which an engine has compiled for speed what is called. */
const MANY = 100_000;

it('reads an absolute URL, whatever characters it is written with, however often', () => {
  const texts = [
    'https://b\u00fccher.example/\u00e9',
    'https://example.com/\u0915',
    'https://example.com',
  ];
  const hosts = ['xn--bcher-kva.example', 'example.com', 'example.com'];
  for (let n = 0; n < MANY; n += 1) {
    const at = n % texts.length;
    if (parseUrl(texts[at] ?? '')?.host !== hosts[at]) expect(texts[at]).toBe('read');
  }
});

it('is undefined for what is none', () => {
  for (const text of ['', 'example.com', '/path', 'https://', 'https://a b']) {
    expect({ text, url: parseUrl(text) }).toEqual({ text, url: undefined });
  }
});
