/** Files import each other along the arrows of arrows.ts, never in a circle, and packages where they belong. */
import { describe, expect, it } from 'vitest';
import { FOR_THE_SERVICE, ONLY_IMPORTER, OUT_OF_BOUNDS, PARTS } from './arrows.ts';
import { type Import, importsOf, sourcesBelow } from './sources.ts';

/** The part a file is in, and its layer there; undefined for a package, or a file of no part. */
function placeOf(file: string): { part: string; layer: string } | undefined {
  for (const [part, { layerOf }] of Object.entries(PARTS)) {
    if (file.startsWith(`${part}/`)) return { part, layer: layerOf(file.slice(part.length + 1)) };
  }
  return undefined;
}

const layerOf = (file: string): string | undefined => placeOf(file)?.layer;

/** The nodes that lead back to themselves, each circle once. */
function circlesIn(next: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (name: string, path: string[]): void => {
    if (path.includes(name)) {
      circles.push([...path.slice(path.indexOf(name)), name].join(' → '));
      return;
    }
    if (done.has(name)) return;
    for (const to of next.get(name) ?? []) walk(to, [...path, name]);
    done.add(name);
  };
  for (const name of next.keys()) walk(name, []);
  return circles;
}

/** How arrows.ts writes the layer of `to` where `from` imports it; null within one layer. */
function arrowOf({ from, to }: Import): string | null {
  const [source, target] = [placeOf(from), placeOf(to)];
  // A file of no part: a test, for one, is nobody's to import.
  if (target === undefined) return to;
  if (source?.part !== target.part) return `${target.part}/${target.layer}`;
  return source.layer === target.layer ? null : target.layer;
}

describe.each(Object.entries(PARTS))('the arrows of %s', (part, { arrows }) => {
  const files = sourcesBelow(part);
  const imports = files.flatMap(importsOf);
  const edges = imports
    .filter(({ isFile }) => isFile)
    .flatMap((edge) => {
      const arrow = arrowOf(edge);
      return arrow === null ? [] : [{ ...edge, layer: layerOf(edge.from) ?? '', arrow }];
    });

  it('name every layer', () => {
    const layers = new Set(files.map(({ name }) => layerOf(name)));
    expect([...layers].sort()).toEqual(Object.keys(arrows).sort());
  });

  it('are all the edges there are', () => {
    const wrong = edges.filter(({ layer, arrow, typeOnly }) => {
      const { runtime = [], types = [] } = arrows[layer] ?? {};
      if (part === 'src' && arrow === FOR_THE_SERVICE) return false;
      return !(runtime.includes(arrow) || (typeOnly && types.includes(arrow)));
    });
    expect(wrong).toEqual([]);
  });

  it('are all needed', () => {
    const unused = Object.entries(arrows).flatMap(([layer, { runtime, types = [] }]) => {
      const leaving = edges.filter((edge) => edge.layer === layer);
      return [
        ...runtime.filter(
          (to) => !leaving.some(({ arrow, typeOnly }) => arrow === to && !typeOnly),
        ),
        ...types.filter((to) => !leaving.some(({ arrow }) => arrow === to)),
      ].map((to) => `${layer} → ${to}`);
    });
    expect(unused).toEqual([]);
  });

  it('lead down: no layer reaches itself', () => {
    const next = Object.entries(arrows).map(([layer, { runtime }]) => [layer, runtime] as const);
    expect(circlesIn(new Map(next))).toEqual([]);
  });

  it('have no cycle between files, in the service of types neither', () => {
    const next = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports) {
      if (!typeOnly || part === 'src') next.set(from, [...(next.get(from) ?? []), to]);
    }
    expect(circlesIn(next)).toEqual([]);
  });
});

it('packages are reached only where they belong', () => {
  const wrong = sourcesBelow('src')
    .flatMap(importsOf)
    .filter(({ from, to, typeOnly }) => {
      const only = ONLY_IMPORTER[to];
      if (only !== undefined && !from.startsWith(`src/${only}`) && !typeOnly) return true;
      const kept = OUT_OF_BOUNDS[layerOf(from) ?? ''];
      return kept?.some((name) => to === name || to.startsWith(`${name}/`));
    });
  expect(wrong).toEqual([]);
});
