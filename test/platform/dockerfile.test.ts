/** The reader of the Dockerfile: what it makes of each instruction, and that it guesses nothing. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDockerfile } from '../../scripts/dockerfile.ts';

describe('a Dockerfile', () => {
  it('is read as stages with steps', () => {
    const text = `# syntax=docker/dockerfile:1
ARG BASE=node:1-slim

FROM \${BASE} AS build
WORKDIR /app
COPY package.json lock.json ./
# A comment.
RUN one \\
  # A comment between the lines of a command.
  && two "a  b" \\
  && three
FROM other:2
ENV NODE_ENV=production
ENV A=b
WORKDIR /srv
COPY --from=build /app/dist ./dist
USER node
EXPOSE 80
HEALTHCHECK --interval=10s --retries=3 \\
  CMD ["node", "-e", "1 && 2"]
CMD ["node", "main.js"]
`;
    expect(parseDockerfile(text)).toEqual([
      {
        base: 'node:1-slim',
        name: 'build',
        steps: [
          { kind: 'COPY', from: null, sources: ['package.json', 'lock.json'], destination: './' },
          { kind: 'RUN', command: 'one && two "a  b" && three' },
        ],
        environment: {},
        workingDirectory: '/app',
        user: 'root',
        command: [],
        healthCheck: [],
      },
      {
        base: 'other:2',
        name: '1',
        steps: [{ kind: 'COPY', from: 'build', sources: ['/app/dist'], destination: './dist' }],
        environment: { NODE_ENV: 'production', A: 'b' },
        workingDirectory: '/srv',
        user: 'node',
        command: ['node', 'main.js'],
        healthCheck: ['node', '-e', '1 && 2'],
      },
    ]);
  });

  it.each([
    'ADD a b',
    'ENV A b',
    'ENV A=b C=d',
    'COPY --chown=node a b',
    'COPY a',
    'HEALTHCHECK NONE',
    'ENTRYPOINT ["x"]',
    'ARG LATE=1',
    'rubbish',
  ])('with %s is refused', (line) => {
    expect(() => parseDockerfile(`FROM x\n${line}\n`)).toThrow(/^Not understood in the Dockerfile/);
  });

  it('whose CMD is a shell line is refused', () => {
    expect(() => parseDockerfile('FROM x\nCMD node main.js\n')).toThrow();
  });

  it("that is this project's own is understood", () => {
    const names = parseDockerfile(readFileSync('Dockerfile', 'utf8')).map(({ name }) => name);
    expect(names).toEqual(['build', 'packages', '2']);
  });
});
