/** What a repository host reads from `.github/`, and what editors and npm read beside it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { production } from '../../src/platform.js';
import { ROOT, read } from './markdown.ts';

const Text = Type.String({ minLength: 1 });
/** As in GitHub's own documentation, as far as these files go; an unknown key is a misspelt one. */
const closed = { additionalProperties: false };
const Step = Type.Object(
  { name: Type.Optional(Text), uses: Type.Optional(Text), run: Type.Optional(Text) },
  closed,
);
const Workflow = Type.Object(
  {
    name: Text,
    on: Type.Object({ push: Type.Unknown(), pull_request: Type.Unknown() }, closed),
    permissions: Type.Object({ contents: Type.Literal('read') }, closed),
    concurrency: Type.Object({ group: Text, 'cancel-in-progress': Text }, closed),
    jobs: Type.Record(
      Text,
      Type.Object(
        {
          name: Text,
          'runs-on': Text,
          'timeout-minutes': Type.Integer(),
          strategy: Type.Optional(
            Type.Object(
              {
                'fail-fast': Type.Boolean(),
                matrix: Type.Object({ include: Type.Array(Type.Record(Text, Text)) }, closed),
              },
              closed,
            ),
          ),
          container: Type.Optional(Text),
          steps: Type.Array(Step, { minItems: 1 }),
        },
        closed,
      ),
    ),
  },
  closed,
);
const Ignored = Type.Object(
  { 'dependency-name': Text, 'update-types': Type.Optional(Type.Array(Text)) },
  closed,
);
const Dependabot = Type.Object(
  {
    version: Type.Literal(2),
    updates: Type.Array(
      Type.Object(
        {
          'package-ecosystem': Type.Union(
            ['npm', 'docker-compose', 'github-actions'].map((name) => Type.Literal(name)),
          ),
          directory: Type.Union(['/', '/deploy'].map((path) => Type.Literal(path))),
          schedule: Type.Object({ interval: Type.Literal('weekly') }, closed),
          'open-pull-requests-limit': Type.Optional(Type.Integer()),
          groups: Type.Optional(Type.Record(Text, Type.Object({}))),
          ignore: Type.Optional(Type.Array(Ignored)),
        },
        closed,
      ),
    ),
  },
  closed,
);
const IssueForm = Type.Object(
  {
    name: Text,
    description: Text,
    labels: Type.Array(Text),
    body: Type.Array(
      Type.Object(
        {
          type: Type.Union(['markdown', 'textarea', 'input'].map((type) => Type.Literal(type))),
          id: Type.Optional(Type.String({ pattern: '^[\\w-]+$' })),
          attributes: Type.Record(Text, Text),
          validations: Type.Optional(Type.Object({ required: Type.Boolean() }, closed)),
        },
        closed,
      ),
    ),
  },
  closed,
);

function parsed<T extends TSchema>(path: string, schema: T): Static<T> {
  const value: unknown = parse(read(path));
  expect([...Value.Errors(schema, value)].map((error) => `${error.path} ${error.message}`)).toEqual(
    [],
  );
  return Value.Decode(schema, value);
}

describe('.github/', () => {
  it('runs .ci/run on the platform of production and on the oldest Node there is support for', () => {
    const { jobs } = parsed('.github/workflows/ci.yml', Workflow);
    const { strategy, container, steps } = jobs.ci ?? {};
    expect(steps?.map(({ run }) => run)).toContain('.ci/run');
    expect(container).toBe('node:$' + '{{ matrix.node }}-$' + '{{ matrix.codename }}');
    const { node, debian, codename } = production;
    expect(strategy?.matrix.include).toEqual([
      { node, debian, codename },
      { node: '20', debian: '12', codename: 'bookworm' },
    ]);
  });

  it('keeps packages, images and actions fresh', () => {
    const { updates } = parsed('.github/dependabot.yml', Dependabot);
    const kept = updates.map((update) => update['package-ecosystem']);
    expect(kept).toEqual(['npm', 'docker-compose', 'github-actions']);
    for (const { directory, 'package-ecosystem': kind } of updates) {
      if (kind === 'docker-compose')
        expect(existsSync(join(ROOT, directory, 'compose.yaml'))).toBe(true);
    }
  });

  it('asks whoever reports something for what is needed', () => {
    const forms = readdirSync(join(ROOT, '.github/ISSUE_TEMPLATE')).filter(
      (name) => name !== 'config.yml',
    );
    expect(forms.length).toBe(2);
    for (const form of forms) {
      const { body } = parsed(`.github/ISSUE_TEMPLATE/${form}`, IssueForm);
      const ids = body.flatMap(({ id }) => id ?? []);
      expect(new Set(ids).size).toBe(ids.length);
      expect(body.every(({ type, id }) => type === 'markdown' || id !== undefined)).toBe(true);
    }
  });
});

describe('.editorconfig', () => {
  it('agrees with the formatter', () => {
    const { formatter } = JSON.parse(read('biome.json'));
    const settings = read('.editorconfig');
    expect(settings).toContain(`indent_style = ${formatter.indentStyle}\n`);
    expect(settings).toContain(`indent_size = ${formatter.indentWidth}\n`);
    expect(settings).toContain(`max_line_length = ${formatter.lineWidth}\n`);
  });
});

describe('the changelog', () => {
  it('has the version of the package, and says first what it breaks', () => {
    const { version } = JSON.parse(read('package.json'));
    const headings = [...read('CHANGELOG.md').matchAll(/^##+ (.*)$/gm)].map(([, text]) => text);
    const place = headings.findIndex((text) => text?.startsWith(`${version} - `));
    expect(headings[place]).toMatch(/ - \d{4}-\d\d-\d\d$/);
    expect(headings[place + 1]).toBe('What breaks');
    expect(JSON.parse(read('package-lock.json')).version).toBe(version);
  });
});
