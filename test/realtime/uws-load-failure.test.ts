/** The sentence for a machine on which the native binary does not load, and the facts in it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadFailure, type Machine } from '../../src/realtime/uws-load-failure.ts';

const debian12: Machine = { node: '24.9.0', platform: 'linux', arch: 'x64', glibc: '2.36' };
/** As uWebSockets.js puts the words of Node's loader. */
const said = (words: string): Error =>
  new Error(`This version of uWS.js supports only some versions.\n\n${words}`);

const oldLibrary = said(
  "Error: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by /app/uws.node)",
);
const noBinary = said(
  "Error: Cannot find module './uws_linux_x64_147.node'\nRequire stack:\n- /app/uws.js\n- /app/main.js",
);

describe('the sentence', () => {
  it.each<[string, Error, Partial<Machine>, string]>([
    [
      'an old C library',
      oldLibrary,
      {},
      'uWebSockets.js for Node 24.9.0 on linux x64 needs glibc 2.38, and this system has 2.36: ' +
        'run it on Debian 13 or Ubuntu 24.04, or Node 20 here',
    ],
    [
      'a C library too old even for Node 20',
      said("Error: version `GLIBC_2.27' not found"),
      { node: '20.19.0', glibc: '2.24' },
      'uWebSockets.js for Node 20.19.0 on linux x64 needs glibc 2.27, and this system has 2.24: ' +
        'run it on Debian 13 or Ubuntu 24.04',
    ],
    [
      'a Node without a binary',
      noBinary,
      { node: '26.1.0' },
      'uWebSockets.js for Node 26.1.0 on linux x64 does not exist: ' +
        'its package has no uws_linux_x64_147.node',
    ],
    [
      'Alpine',
      said('Error: Error loading shared library ld-linux-x86-64.so.2: No such file or directory'),
      { glibc: null },
      'uWebSockets.js for Node 24.9.0 on linux x64 needs the GNU C library, ' +
        'and this system has another one (Alpine has musl)',
    ],
    [
      'anything else',
      said('Error: dlopen(uws.node): not signed'),
      { platform: 'darwin', glibc: null },
      'uWebSockets.js for Node 24.9.0 on darwin x64 does not load: Error: dlopen(uws.node): not signed',
    ],
  ])('for %s', (_what, cause, machine, sentence) => {
    expect(loadFailure(cause, { ...debian12, ...machine })).toBe(sentence);
  });
});

describe.each(['x64', 'arm64'])('the binaries for linux %s', (arch) => {
  const place = dirname(createRequire(import.meta.url).resolve('uWebSockets.js'));

  /** The newest symbol version of the C library that a binary asks for. */
  function glibcOf(abi: string): string {
    const text = readFileSync(join(place, `uws_linux_${arch}_${abi}.node`), 'latin1');
    const minors = [...text.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
    return `2.${Math.max(...minors)}`;
  }

  it('need a C library that the systems named in the sentences have', () => {
    const [node20, node22, node24] = ['115', '127', '137'].map(glibcOf);
    expect([node20, node22, node24]).toEqual(['2.27', '2.38', '2.38']);
  });
});
