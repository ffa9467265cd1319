import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ContentInput, type ContentRules, cleanContent } from '../../src/chat/content.ts';
import { ChatError } from '../../src/chat/errors.ts';

const rules: ContentRules = { maxContentLength: 4000, sanitizeHtml: 'strip' };
const verbatim: ContentRules = { ...rules, sanitizeHtml: 'none' };

const text = (content: string): ContentInput => ({ content, messageType: 'text' });
const location = (content: string): ContentInput => ({ content, messageType: 'location' });
const image = (mediaUrl: string | null, content = ''): ContentInput => ({
  content,
  messageType: 'image',
  mediaUrl,
});

function refusalOf(input: ContentInput, under: ContentRules = rules): ChatError {
  try {
    cleanContent(input, under);
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

function expectRefused(
  input: ContentInput,
  field: 'content' | 'media_url',
  message: RegExp,
  under: ContentRules = rules,
): void {
  const refusal = refusalOf(input, under);
  expect(refusal.code).toBe('invalid_request');
  expect(refusal.message).toMatch(message);
  expect(refusal.details).toEqual({ [field]: refusal.message });
}

describe('text', () => {
  it.each([
    'Hello, when can we meet?',
    '2 < 3 && x > y',
    '<3',
    'List<String>',
    ' a ',
    'a\n\tb',
    '👍🏽',
  ])('%j is stored as typed', (content) => {
    expect(cleanContent(text(content), rules)).toEqual({ content, mediaUrl: null });
    expect(cleanContent(text(content), verbatim)).toEqual({ content, mediaUrl: null });
  });

  it('loses its markup under strip and keeps it under none', () => {
    const content = '<b>hi</b><script>alert(1)</script>';
    expect(cleanContent(text(content), rules).content).toBe('hi');
    expect(cleanContent(text(content), verbatim).content).toBe(content);
  });

  it.each([
    ['a\r\nb', 'a\nb'],
    ['\u0001a\u0008\u000e\u001b\u001fb', 'ab'],
    ['a\u007f\u0080\u0084\u009fb', 'ab'],
    ['a\u00a0\u00adb', 'a\u00a0\u00adb'],
  ])('%j loses its control characters: %j, under strip and none', (content, stored) => {
    expect(cleanContent(text(content), rules).content).toBe(stored);
    expect(cleanContent(text(content), verbatim).content).toBe(stored);
  });

  it.each(['\r', '\r\n', '\v', '\f', '\u0085'])('ends a line with %j as with a newline', (end) => {
    expect(cleanContent(text(`one${end}two${end}${end}`), rules).content).toBe('one\ntwo\n\n');
    expect(cleanContent(text(`<b${end}>bold</b>`), rules).content).toBe('bold');
  });

  it('cannot hide a tag behind control characters', () => {
    expect(
      cleanContent(text('<scr\u0001ipt>x</scr\u0086ipt>y<im\u0002g src=z>'), rules).content,
    ).toBe('y');
  });

  it.each(['a\0b', '\0'])('with NUL is refused: %j', (content) => {
    expectRefused(text(content), 'content', /NUL/);
    expectRefused(text(content), 'content', /NUL/, verbatim);
  });

  it.each(['a\ud800', '\udc00b', '\ude00\ud83d'])(
    'with a lone surrogate is refused: %j',
    (content) => {
      expectRefused(text(content), 'content', /surrogate/);
      expectRefused(text(content), 'content', /surrogate/, verbatim);
    },
  );

  it('that is empty is refused', () => {
    expectRefused(text(''), 'content', /must not be empty/);
    expectRefused(text(''), 'content', /must not be empty/, verbatim);
  });

  it.each([
    ' ',
    '\n\t \r\n',
    '\u00a0\u3000\ufeff',
    '\u200b\u2060',
    '\u0007',
    '<b> </b>',
    '<script>x</script>',
  ])('with nothing to show is refused: %j', (content) => {
    expectRefused(text(content), 'content', /nothing to show/);
  });

  it('does not take a media_url', () => {
    expectRefused({ ...text('a'), mediaUrl: 'https://x.y/' }, 'media_url', /image only/);
    expectRefused({ ...text('a'), mediaUrl: '' }, 'media_url', /image only/);
    expect(cleanContent({ ...text('a'), mediaUrl: null }, rules).mediaUrl).toBeNull();
  });
});

describe('the length of content', () => {
  const short: ContentRules = { ...rules, maxContentLength: 5 };

  it('counts code points', () => {
    expect(cleanContent(text('aé漢😀z'), short).content).toBe('aé漢😀z');
    expect(cleanContent(text('😀😀😀😀😀'), short).content).toBe('😀😀😀😀😀');
    expectRefused(text('😀😀😀😀😀z'), 'content', /at most 5 characters/, short);
    expectRefused(text('abcdef'), 'content', /at most 5 characters/, short);
  });

  it('is that of the content as sent, before anything is removed', () => {
    expectRefused(text('<b>a</b>'), 'content', /at most 5 characters/, short);
    expectRefused(text('a\u0001\u0001\u0001\u0001\u0001'), 'content', /at most 5/, short);
  });

  it('reaches exactly the limit', () => {
    expect(cleanContent(text('a'.repeat(4000)), rules).content).toHaveLength(4000);
    expectRefused(text('a'.repeat(4001)), 'content', /at most 4000 characters/);
  });

  it('is bounded for captions and locations too', () => {
    expectRefused(image('https://x.y/', 'abcdef'), 'content', /at most 5/, short);
    expectRefused(location(' 1 , 2 '), 'content', /at most 5/, short);
  });

  it('is checked first, so that a huge content is not searched', () => {
    expectRefused(text(`${'a'.repeat(8_000_000)}\0`), 'content', /at most 4000 characters/);
  });
});

describe('image', () => {
  it.each([
    ['https://example.com/photo.jpg?size=2#x', 'https://example.com/photo.jpg?size=2#x'],
    ['http://example.com:8080/a', 'http://example.com:8080/a'],
    ['HTTPS://EXAMPLE.com', 'https://example.com/'],
    ['https://example.com/"><script>', 'https://example.com/%22%3E%3Cscript%3E'],
    ['https://bücher.example/ä', 'https://xn--bcher-kva.example/%C3%A4'],
  ])('%s is stored as %s', (mediaUrl, stored) => {
    expect(cleanContent(image(mediaUrl), rules)).toEqual({ content: '', mediaUrl: stored });
  });

  it('may have a caption, which follows the rules of text', () => {
    const url = 'https://x.y/a.png';
    expect(cleanContent(image(url, '<b>me</b>\u0007'), rules).content).toBe('me');
    expect(cleanContent(image(url, '<b>me</b>'), verbatim).content).toBe('<b>me</b>');
    expect(cleanContent(image(url, ' \n<b></b>'), rules).content).toBe('');
    expectRefused(image(url, 'a\0'), 'content', /NUL/);
  });

  it.each([null, ''])('without media_url is refused: %j', (mediaUrl) => {
    expectRefused(image(mediaUrl), 'media_url', /required/);
    expectRefused({ content: '', messageType: 'image' }, 'media_url', /required/);
  });

  it.each([
    'javascript:alert(1)',
    'data:image/png;base64,AAAA',
    'ftp://example.com/a',
    'file:///etc/hosts',
    'blob:https://example.com/1',
  ])('with another scheme is refused: %s', (mediaUrl) => {
    expectRefused(image(mediaUrl), 'media_url', /http or https/);
  });

  it.each([
    '/a.png',
    '//example.com/a.png',
    'example.com',
    'https://',
    'https://ex ample.com/',
    ' https://example.com/',
    'java\nscript:alert(1)',
    'https://example.com/\u0000',
    'https://example.com/\u0085',
    'https://example.com/\ud800',
    'https://[::1',
  ])('with something else than a URL is refused: %j', (mediaUrl) => {
    expectRefused(image(mediaUrl), 'media_url', /must be a URL/);
  });

  it.each(['https://me@example.com/', 'https://me:secret@example.com/', 'https://:s@example.com/'])(
    'with credentials is refused: %s',
    (mediaUrl) => {
      expectRefused(image(mediaUrl), 'media_url', /user name or password/);
    },
  );

  it('has a media_url of at most 2048 characters, as typed and as stored', () => {
    const base = 'https://example.com/';
    const longest = base + 'a'.repeat(2048 - base.length);
    expect(cleanContent(image(longest), rules).mediaUrl).toBe(longest);
    expectRefused(image(`${longest}a`), 'media_url', /at most 2048/);
    expectRefused(image(base + 'ä'.repeat(1000)), 'media_url', /at most 2048/);
  });
});

describe('location', () => {
  it.each([
    ['52.52,13.405', '52.52,13.405'],
    [' 52.520008 ,\t-13.404954\n', '52.520008,-13.404954'],
    ['-90,180', '-90,180'],
    ['90.0,-180.000', '90.0,-180.000'],
    ['+1,0', '+1,0'],
  ])('%j is stored as %j', (content, stored) => {
    expect(cleanContent(location(content), rules)).toEqual({ content: stored, mediaUrl: null });
    expect(cleanContent(location(content), verbatim).content).toBe(stored);
  });

  it.each([
    ...[
      '',
      ' ',
      ',',
      '1',
      '1,',
      ',1',
      '1 2',
      '1;2',
      '1,2,3',
      'a,b',
      'NaN,1',
      '1,Infinity',
      '1e1,2',
    ],
    ...[
      '0x1,2',
      '1.,2',
      '.5,1',
      '--1,2',
      '1.2.3,4',
      '1 ,2 3',
      '<b>1</b>,2',
      '１,２',
      '52.5N,13.4E',
    ],
  ])('in another form is refused: %j', (content) => {
    expectRefused(location(content), 'content', /"lat,lon"/);
  });

  it.each([
    ['90.0001,0', /latitude/],
    ['-91,0', /latitude/],
    ['0,180.0001', /longitude/],
    ['0,-999', /longitude/],
  ])('out of range is refused: %s', (content, message) => {
    expectRefused(location(content), 'content', message);
  });

  it('takes no media_url', () => {
    expectRefused({ ...location('1,2'), mediaUrl: 'https://x.y/' }, 'media_url', /image only/);
  });
});

describe('properties', () => {
  const input = fc.record({
    content: fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary-ascii' }),
    ),
    messageType: fc.constantFrom('text', 'image', 'location'),
    mediaUrl: fc.option(fc.oneof(fc.webUrl(), fc.string(), fc.string({ unit: 'binary' }))),
  }) satisfies fc.Arbitrary<ContentInput>;
  const anyRules = fc.record({
    maxContentLength: fc.integer({ min: 1, max: 20 }),
    sanitizeHtml: fc.constantFrom('strip', 'none'),
  }) satisfies fc.Arbitrary<ContentRules>;

  it('content is cleaned or refused as invalid_request, and clean content is clean', () => {
    fc.assert(
      fc.property(input, anyRules, (message, under) => {
        let clean: ReturnType<typeof cleanContent>;
        try {
          clean = cleanContent(message, under);
        } catch (error) {
          expect(error).toBeInstanceOf(ChatError);
          expect(error).toHaveProperty('code', 'invalid_request');
          return;
        }
        expect([...clean.content].length).toBeLessThanOrEqual(under.maxContentLength);
        expect(clean.content.isWellFormed()).toBe(true);
        expect(clean.content).not.toMatch(/[^\P{Cc}\n\t]/u);
        expect(clean.mediaUrl !== null).toBe(message.messageType === 'image');
        expect(cleanContent({ ...message, ...clean }, under)).toEqual(clean);
      }),
      { numRuns: 3000 },
    );
  });
});
