/**
 * Every link between the project's Markdown files leads somewhere, in the repository and in what is packed of
 * it, and every page is reached.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchors, links, markdownFiles, ROOT, read } from './markdown.ts';

/** npm is slow to start where much else runs. */
const PACK_TIMEOUT_MS = 60_000;

const files = markdownFiles();

/** The link's file from the root, and its anchor; null: it leads out of the project. */
function targetOf(file: string, link: string): { path: string; anchor: string } | null {
  if (/^[a-z]+:/i.test(link)) return null;
  const [path = '', anchor = ''] = link.split('#');
  return { path: path === '' ? file : normalize(join(dirname(file), path)), anchor };
}

/** What npm would pack of a directory, as far as it is there without a build. */
function packedFiles(directory: string): string[] {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const output = execFileSync('npm', args, {
    cwd: join(ROOT, directory),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [packed] = Object.values<{ files: { path: string }[] }>(JSON.parse(output));
  return (packed?.files ?? []).map(({ path }) => path);
}

/** Whether a file, or a folder with something in it, is among these. */
function isAmong(files: readonly string[], path: string): boolean {
  return files.some((file) => file === path || file.startsWith(path.replace(/\/?$/, '/')));
}

describe('links', () => {
  it.each(files)('of %s lead somewhere', (file) => {
    const broken = links(read(file)).filter((link) => {
      const target = targetOf(file, link);
      if (target === null) return false;
      if (!existsSync(join(ROOT, target.path))) return true;
      if (target.anchor === '') return false;
      return !target.path.endsWith('.md') || !anchors(read(target.path)).has(target.anchor);
    });
    expect(broken).toEqual([]);
  });

  it.each(['.', 'packages/events'])(
    'of what is packed of %s stay within it',
    { timeout: PACK_TIMEOUT_MS },
    (directory) => {
      const packed = packedFiles(directory);
      const pages = packed.filter((path) => path.endsWith('.md'));
      expect(pages).toContain('README.md');
      const dead = pages.flatMap((page) => {
        const targets = links(read(join(directory, page))).map(
          (link) => targetOf(page, link)?.path,
        );
        return targets
          .filter((path) => path !== undefined && !isAmong(packed, path))
          .map((path) => `${page} -> ${path}`);
      });
      expect(dead).toEqual([]);
    },
  );

  it('reach every page under docs/ from the README and from docs/README.md', () => {
    for (const start of ['README.md', 'docs/README.md']) {
      const reached = new Set(links(read(start)).map((link) => targetOf(start, link)?.path));
      const pages = files.filter((file) => file.startsWith('docs/') && file !== 'docs/README.md');
      expect(pages.filter((page) => !reached.has(page))).toEqual([]);
    }
  });
});

describe('the README', () => {
  it('is read in a minute', () => {
    expect(read('README.md').split('\n').length).toBeLessThan(150);
  });
});

describe('anchors', () => {
  it('are those GitHub makes', () => {
    const headings = '# A *b*, `c/` & d\n\n```sh\n# no heading\n```\n## Same\n## Same\n';
    expect([...anchors(headings)]).toEqual(['a-b-c--d', 'same', 'same-1']);
  });
});
