/** What package.json says of platforms, held together with all that must agree with it. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseDockerfile } from '../../scripts/dockerfile.ts';
import { cautionAboutNode, production, whyNodeIsUnsupported } from '../../src/platform.js';

const read = (name: string): string =>
  readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');
const { node, debian, codename, abi } = production;
const shipped = `Node ${node} on Debian ${debian}`;

describe('the production platform', () => {
  it('is supported, and needs no caution', () => {
    expect(whyNodeIsUnsupported(`${node}.0.0`)).toBe(null);
    expect(cautionAboutNode(`${node}.0.0`)).toBe(null);
  });

  it('is what every stage of the Dockerfile starts from', () => {
    const bases = parseDockerfile(read('Dockerfile')).map(({ base }) => base);
    expect(bases).toEqual(bases.map(() => `node:${node}-${codename}-slim`));
  });

  it('is what the documentation tells people to run', () => {
    const page = read('docs/platform.md');
    expect(page).toContain(`**${shipped}**`);
    expect(page).toContain(`uws_linux_x64_${abi}.node`);
    expect(read('docs/deployment.md')).toContain(`[${shipped}](platform.md)`);
    expect(read('README.md')).toContain(`a machine with Node ${node} needs`);
  });

  it('is what a version manager takes', () => {
    expect(read('.nvmrc')).toBe(`${node}\n`);
  });

  it('has a binary in the pinned package, for both processors', () => {
    const place = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));
    const binaries = readdirSync(place);
    for (const arch of ['x64', 'arm64'])
      expect(binaries).toContain(`uws_linux_${arch}_${abi}.node`);
  });

  it('has that native interface', () => {
    const [major] = process.versions.node.split('.');
    expect(major === node).toBe(process.versions.modules === abi);
  });
});

describe('Node', () => {
  it.each([
    ['18.20.8', false],
    ['20.18.9', false],
    ['20.19.0', true],
    ['20.99.9', true],
    ['21.9.0', false],
    ['22.11.0', false],
    ['22.12.0', true],
    ['23.1.0', false],
    ['24.0.0', true],
    ['25.0.0', false],
    ['26.1.0', false],
  ])('%s: %s', (version, runs) => {
    const why = whyNodeIsUnsupported(version);
    expect(why === null).toBe(runs);
    if (!runs)
      expect(why).toMatch(
        new RegExp(`^This service needs Node [^\\n]* this is Node ${version}\\.$`),
      );
  });

  it('has a binary wherever it is supported', () => {
    const place = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));
    const abis = new Map([
      [20, 115],
      [22, 127],
      [24, 137],
    ]);
    for (let major = 16; major < 40; major += 1) {
      if (whyNodeIsUnsupported(`${major}.99.0`) !== null) continue;
      expect(readdirSync(place)).toContain(`uws_linux_x64_${abis.get(major)}.node`);
    }
  });

  it('20 comes with a caution about its parser, another one with where to run', () => {
    expect(cautionAboutNode('20.19.0')).toMatch(/505 .* two TCP segments.*docs\/platform\.md/);
    expect(cautionAboutNode('22.12.0')).toContain(`Production should run ${shipped}`);
  });
});
