import { describe, expect, it } from 'vitest';
import { stripMarkup } from '../../src/chat/sanitize.ts';
import { aliveIn } from './markup-oracle.ts';

describe('text without markup stays exactly as typed', () => {
  it.each([
    '',
    'Hello, when can we meet?',
    '2 < 3 && x > y',
    'x<y && y>z, 1<2>0',
    '<3 </3 <33 <>',
    '<- --> <-- <= => << >> <<< >>>',
    'List<String>',
    'Map<String, List<Foo>>',
    'class Foo<T = string, K extends keyof T = keyof T> {}',
    'std::vector<int> v; Array<Element>; Promise<Response<Body2>>',
    '</String>',
    '<user@example.com>',
    '<https://x.y> <https://x.y/p?a=1&id2=2#f> <mailto:a@b.c>',
    'host: <unknown>, name: <your name here>',
    'x <!!! y <! z <? w <?> <!important',
    '<xss onclick> <foo id class> <foo id a=1 class>, style=2',
    '&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#60;b&#62; &notit;',
    'a\r\nb\r<x>\r\n\tc\u00a0\u2028\ufeff',
    '\u{1F600} < \u{1F601} <\u{1F602}>',
    '\ud800 <x> \udc00 \0 <\0b>',
    '＜script＞alert(1)＜/script＞',
    '<scriptx> <bb> <imgs> <b-c> <svg:x>',
  ])('%j', (text) => {
    expect(stripMarkup(text)).toBe(text);
  });
});

describe('markup goes, its text stays', () => {
  it.each([
    ['a<b>c', 'ac'],
    ['<b>bold</b> and <I>it</I>', 'bold and it'],
    ['<p\n class=x\t>one</p\r\n>two<br/>three', 'onetwothree'],
    ['<a href="x>y" title=\'>\'>link</a>', 'link'],
    ['<a/href=x>y</a/>', 'y'],
    ['<svg/onload=alert(1)>hi</svg>', 'hi'],
    ['<math><mi>x</mi><annotation-xml>y</annotation-xml></math>', 'xy'],
    ['<svg><linearGradient/><FOREIGNOBJECT>z</foreignObject></svg>', 'z'],
    ['<marquee>m</marquee><blink>b</blink><bgsound src=x><keygen><isindex>', 'mb'],
    ['<image src=x><listing>l</listing><plaintext>p', 'lp'],
    ['&lt;<b>&amp;</b>&gt;', '&lt;&amp;&gt;'],
    ['List<String> of <b>Map<K, V></b>', 'List<String> of Map<K, V>'],
    ['</b></p></br></script></x>', '</x>'],
    ['<x title="<b>">', '<x title="">'],
    ['\u{1F600}<b>\u{1F601}</b>\r\n<i\r\n>\u{1F602}', '\u{1F600}\u{1F601}\r\n\u{1F602}'],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('script and style go with their contents', () => {
  it.each([
    ['a<script>alert(1)</script>b', 'ab'],
    ['a<SCRIPT src=x>if (a<b) {}</sCrIpT\t>b', 'ab'],
    ['a<script>"</script x="y>">b', 'ab'],
    ['a<script><!--<script>x</script>y--></script>b', 'ab'],
    ['a<script/>x</script>b', 'ab'],
    ['a<style>p{}<b>x</b></style >b', 'ab'],
    ['a<script>alert(1)', 'a'],
    ['a<script src="//x.y/', 'a'],
    ['a<style>', 'a'],
    ['<svg><style>p{}</style><script>x</script>t</svg>', 't'],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('the contents of other elements are text', () => {
  it.each([
    'title',
    'textarea',
    'template',
    'iframe',
    'noscript',
    'noembed',
    'noframes',
    'object',
    'xmp',
    'select',
  ])('%s', (name) => {
    expect(stripMarkup(`a<${name}>text<img src=x onerror=alert(1)></${name}>b`)).toBe('atextb');
  });
});

describe('comments and declarations go as far as a browser takes them', () => {
  it.each([
    ['a<!-- x > y <b> -->b', 'ab'],
    ['a<!-->b<!--->c<!--x--!>d', 'abcd'],
    ['a<!-- never closed <b>', 'a'],
    ['a<!-- never closed', 'a'],
    ['<!DOCTYPE html>a<!doctype html PUBLIC "x>y">b', 'ay">b'],
    ['a<![CDATA[ x ]]>b', 'ab'],
    ['a<![CDATA[<script>alert(1)</script>]]>b', 'aalert(1)]]>b'],
    ['a<?xml version="1.0"?>b<?php echo 1 ?>c', 'abc'],
    ['a<!ENTITY x "y">b', 'ab'],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('an unfinished tag at the end', () => {
  it.each([
    ['<img src=x onerror=', ''],
    ['<img src=x onerror=alert(1) ', ''],
    ['a<a href="x>y', 'a'],
    ["a<a href='x>y", 'a'],
    ['a<b', 'a'],
    ['a</b', 'a'],
    ['if a<b then c', 'if a then c'],
    ['a<b and <i too', 'a and  too'],
    ['put it into <script and go', 'put it into  and go'],
    ['List<Str', 'List<Str'],
    ['x <xss onclick=alert(1)//', 'x '],
    ['x <xss onclick="alert(1)//', 'x '],
    ["x <xss onclick='alert(1)//", 'x '],
    ['x <xss onclick=', 'x '],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('a tag of an unknown name that does something goes too', () => {
  it.each([
    ['<xss onmouseover=alert(1)>x</xss>', 'x'],
    ['<xss onmouseover = "alert(1)" >x</XSS >', 'x'],
    ['<x-foo/onclick=alert(1)>x', 'x'],
    ['<x a="1"onfocus=alert(1) tabindex=1>x', 'x'],
    ['<x style="position:fixed">x</x></y>', 'x</y>'],
    ['<https://x.y/onclick=alert(1)>x', 'x'],
    ['<x:script xmlns:x="http://www.w3.org/1999/xhtml">x</x:script>', 'x'],
    ['<String, onclick=alert(1) List<Foo>>', '>'],
    ['<x <y onclick=alert(1)>', ''],
    ['</xss> <xss onclick=a>', '</xss> '],
  ])('%j → %j', (text, expected) => {
    expect(stripMarkup(text)).toBe(expected);
  });
});

describe('what removing would join is removed as well', () => {
  it.each([
    ['<scr<script></script>ipt>', ''],
    ['<scr<script></script>ipt>alert(1)</scr</script>ipt>', ''],
    ['<<b>script>alert(1)<</b>/script>', ''],
    ['<<b>img src=x onerror=alert(1)>', ''],
    ['<i<!-- -->mg src=x onerror=alert(1)>', ''],
    ['<sc<sc<b>ript></script>ript>x', '<sc'],
    ['</3 <x a=" > <foo onclick=alert(1)> "', '</3 <x a=" >  "'],
    [`${'<'.repeat(6)}b>${'b>'.repeat(6)}`, 'b>'],
    [`<${'s<'.repeat(20)}b>${'b>cript>'.repeat(20)}`, null],
  ])('%j', (text, expected) => {
    const stripped = stripMarkup(text);
    if (expected !== null) expect(stripped).toBe(expected);
    expect(aliveIn(stripped)).toEqual([]);
    expect(stripMarkup(stripped)).toBe(stripped);
  });

  it('a text nested deeper than the passes reach loses every "<"', () => {
    const nested = `${'<i'.repeat(30)}<b>${'mg src=x onerror=a>'.repeat(30)}`;
    expect(stripMarkup(nested)).not.toContain('<');
  });
});
