/** Prose in Markdown is as wide as .editorconfig says, so that changes of it can be read line by line. */
import { expect, it } from 'vitest';
import { markdownFiles, read } from '../docs/markdown.ts';

/** Written by `npm run bench`: the report, and those of passing runs. */
const GENERATED = 'bench/results/';

const [, width = ''] = /\[\*\.md\]\nmax_line_length = (\d+)/.exec(read('.editorconfig')) ?? [];
const files = markdownFiles().filter((file) => !file.startsWith(GENERATED));

/** Where a line of prose is wider than `most`, though it could be broken: `file:line`. */
function tooWide(file: string, markdown: string, most: number): string[] {
  let isCode = false;
  return markdown.split('\n').flatMap((line, index) => {
    if (/^\s*```/.test(line)) isCode = !isCode;
    // Tables and headings are one line each. What is left has a place to break: not in code, nor in a link's target.
    const isFixed = isCode || /^\s*(?:\||#|!\[)/.test(line);
    const words = line
      .trim()
      .replace(/^(?:[-*]|\d+\.) /, '')
      .replace(/`[^`]*`/g, '``');
    return !isFixed && [...line].length > most && words.includes(' ')
      ? [`${file}:${index + 1}`]
      : [];
  });
}

it('no line of prose is wider than .editorconfig allows', () => {
  expect(Number(width)).toBeGreaterThan(80);
  const wide = files.flatMap((file) => tooWide(file, read(file), Number(width)));
  expect(wide, 'break these lines').toEqual([]);
});

it('tables, headings and code are as wide as they have to be', () => {
  const long = 'word '.repeat(10);
  const markdown = `${long}\n- ${long}\n| ${long} |\n# ${long}\n\`\`\`\n${long}\n\`\`\`\n\`${long}\``;
  expect(tooWide('x.md', markdown, 20)).toEqual(['x.md:1', 'x.md:2']);
});
