/** Markdown as far as tests of the documentation need it: files, links, headings, blocks of code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NOT_OURS = new Set(['node_modules', 'dist', '.git', '.data']);

/** The text of a file of the project. */
export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Every Markdown file of the project, by its path from the root. */
export function markdownFiles(): string[] {
  const found: string[] = [];
  const visit = (directory: string): void => {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (NOT_OURS.has(entry.name)) continue;
      const path = join(directory, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (entry.name.endsWith('.md')) found.push(relative(ROOT, path));
    }
  };
  visit(ROOT);
  return found.sort();
}

/** The text without its blocks of code. */
const prose = (markdown: string): string => markdown.replace(/^ *```[\s\S]*?^ *```$/gm, '');

/** The targets of its links and images. */
export function links(markdown: string): string[] {
  const text = prose(markdown).replace(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** The anchors its headings have on GitHub. */
export function anchors(markdown: string): Set<string> {
  const seen = new Map<string, number>();
  const found = new Set<string>();
  for (const [, heading = ''] of prose(markdown).matchAll(/^#{1,6} (.*)$/gm)) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    found.add(before === 0 ? slug : `${slug}-${before}`);
  }
  return found;
}

/** What stands under the heading `title`, up to the next one that is as high. */
export function section(markdown: string, title: string): string {
  const [, level = '', body = ''] =
    new RegExp(`^(#+) ${title.replace(/[.*+?^$()[\]{}|\\]/g, '\\$&')}\\n([\\s\\S]*)`, 'm').exec(
      markdown,
    ) ?? [];
  if (level === '') throw new Error(`there is no heading "${title}"`);
  return body.split(new RegExp(`^#{1,${level.length}} `, 'm'))[0] ?? '';
}

/**
 * The blocks of code in `language`, without their fences.
 *
 * @public
 */
export function codeBlocks(markdown: string, language: string): string[] {
  const fences = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm');
  return [...markdown.matchAll(fences)].map(([, code = '']) => code);
}
