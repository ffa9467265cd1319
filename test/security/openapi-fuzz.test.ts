/**
 * Every route of the OpenAPI document, called with what its own schemas allow and with what they do
 * not: no answer is a 5xx, and every answer is one the document describes. The schemas of the
 * answers are checked by another library than the one that writes them.
 */
import { randomUUID } from 'node:crypto';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createMatch } from '../support/people.ts';
import { useScene } from '../support/scene.ts';
import { hostileTexts } from './hostile-texts.ts';

interface Schema {
  type?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
}
interface Parameter {
  in: 'path' | 'query';
  name: string;
  schema: Schema;
}
interface Operation {
  parameters?: Parameter[];
  requestBody?: { content: { 'application/json': { schema: Schema } } };
  responses: Record<string, { content: { 'application/json': { schema: Schema } } }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

const routes = [
  'GET /health',
  'GET /ready',
  'GET /demo/settings',
  'GET /messages/conversations/{userId}',
  'GET /messages/{conversationId}',
  'POST /messages',
  'POST /messages/{conversationId}',
  'POST /messages/{conversationId}/mark-read',
  'POST /messages/users/{userId}/disconnect',
  'PUT /messages/{conversationId}/participants/{userId}',
  'DELETE /messages/{conversationId}/participants/{userId}',
];

const scene = useScene();
let document: Document;
/** Ids that exist, so that not everything ends at "unknown". */
let ids: string[];
let users: string[];
let conversations: string[];

beforeAll(async () => {
  const { alice, bob, carol } = scene;
  users = [alice, bob, carol].map(({ id }) => id);
  conversations = [await scene.conversation(alice, bob, carol), await scene.conversation()];
  ids = [...users, ...conversations, await createMatch(scene.db.sql)];
  document = (await (await fetch(`${scene.app.url}/docs/json`)).json()) as Document;
});

/** An id that exists, mostly of the kind that the name of its field speaks of. */
function idFor(name: string): fc.Arbitrary<string> {
  const kind =
    name === 'conversationId' ? conversations : name === 'request_match_id' ? ids : users;
  return fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...kind) },
    { weight: 1, arbitrary: fc.constantFrom(...ids) },
    { weight: 1, arbitrary: fc.constant(null).map(() => randomUUID()) },
    { weight: 1, arbitrary: fc.constantFrom(...kind).map((id) => id.toUpperCase()) },
  );
}

/** A value as the schema describes it, for a field of this name. */
function fitting(schema: Schema, name = ''): fc.Arbitrary<unknown> {
  if (schema.anyOf !== undefined) {
    return fc.oneof(...schema.anyOf.map((one) => fitting(one, name)));
  }
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'integer': {
      const { minimum: min = 0, maximum: max = Number.MAX_SAFE_INTEGER } = schema;
      return fc.oneof(
        fc.integer({ min, max: Math.min(max, min + 20) }),
        fc.maxSafeInteger().map((n) => Math.min(max, Math.max(min, n))),
        fc.constantFrom(min, max),
      );
    }
    case 'string':
      if (schema.pattern !== undefined) return idFor(name);
      return fc.oneof(
        fc.string({ minLength: 1, maxLength: 64 }),
        fc.constantFrom('hello', '52.5,13.4', 'https://cdn.example/a.png'),
        fc.constantFrom(...hostileTexts),
      );
    case 'array':
      return fc.uniqueArray(fitting(schema.items ?? {}, name), {
        minLength: schema.minItems ?? 0,
        maxLength: 4,
      });
    case 'object': {
      const { properties = {}, required = [] } = schema;
      const values = Object.entries(properties).map(
        ([key, one]) => [key, fitting(one, key)] as const,
      );
      const model: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(values);
      return fc.record(model, { requiredKeys: required });
    }
    default:
      return fc.constant(null);
  }
}

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(...hostileTexts),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(-1, 0.5, 1e300, 2 ** 53, true, null, [], {}),
);

/** Mostly as described; else one thing of it replaced, or nothing left of it. */
function bodyOf(schema: Schema): fc.Arbitrary<string> {
  const names = [...Object.keys(schema.properties ?? {}), 'id', 'seq', '__proto__', 'extra'];
  const proper = fitting(schema);
  const bent = fc
    .tuple(proper, fc.constantFrom(...names), anything)
    .map(([body, name, value]) =>
      JSON.stringify(Object.fromEntries([...Object.entries(Object(body)), [name, value]])),
    );
  return fc.oneof(
    { weight: 5, arbitrary: proper.map((body) => JSON.stringify(body)) },
    { weight: 4, arbitrary: bent },
    { weight: 1, arbitrary: anything.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  );
}

/** Text for a path or a query: URLs carry well-formed Unicode only. */
const textOf = (schema: Schema, name: string): fc.Arbitrary<string> =>
  fc
    .oneof(
      { weight: 6, arbitrary: fitting(schema, name).map(String) },
      {
        weight: 1,
        arbitrary: anything.map((value) =>
          typeof value === 'string' ? value : JSON.stringify(value),
        ),
      },
    )
    .map((text) => text.toWellFormed());

interface Call {
  path: Record<string, string>;
  query: Record<string, string | undefined>;
  body: string | undefined;
  caller: string | undefined;
  contentType: string;
}

/** The schema that is meant, where the document only names it. */
function resolved(schema: Schema & { $ref?: string }): Schema {
  const name = schema.$ref?.split('/').at(-1);
  if (name === undefined) return schema;
  const named = document.components.schemas[name];
  if (named === undefined) throw new Error(`${name} is not in the document`);
  return named;
}

function callsOf({ parameters = [], requestBody }: Operation): fc.Arbitrary<Call> {
  const of = (place: string) =>
    Object.fromEntries(
      parameters
        .filter((one) => one.in === place)
        .map(({ name, schema }) => [name, textOf(schema, name)]),
    );
  const sent = requestBody?.content['application/json'].schema;
  const schema = sent && resolved(sent);
  return fc.record({
    path: fc.record(of('path')),
    query: fc.record(of('query'), { requiredKeys: [] as string[] }),
    body: schema === undefined ? fc.constant(undefined) : bodyOf(schema),
    caller: fc.oneof(
      { weight: 4, arbitrary: fc.constant(undefined) },
      { weight: 4, arbitrary: fc.constantFrom(...users) },
      { weight: 1, arbitrary: fc.constantFrom(randomUUID(), 'nobody', '1; DROP TABLE x') },
    ),
    contentType: fc.oneof(
      { weight: 12, arbitrary: fc.constant('application/json') },
      { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/xml', 'x', 'a/b;c=d') },
    ),
  });
}

async function make(method: string, template: string, call: Call): Promise<Response> {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(call.path[name] ?? ''),
  );
  const given = Object.fromEntries(
    Object.entries(call.query).map(([name, value]) => [name, value ?? '']),
  );
  const query = new URLSearchParams(given).toString();
  return fetch(`${scene.app.url}${path}${query === '' ? '' : `?${query}`}`, {
    method,
    headers: {
      ...(call.caller === undefined ? {} : { 'x-user-id': call.caller }),
      ...(call.body === undefined ? {} : { 'content-type': call.contentType }),
    },
    ...(call.body === undefined ? {} : { body: call.body }),
  });
}

it('knows every route of the document', () => {
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  // The one route that takes nothing and answers no JSON.
  expect(new Set(documented)).toEqual(new Set([...routes, 'GET /metrics']));
});

describe.each(routes)('%s', (route) => {
  it('answers what it says it answers', async () => {
    const [method = '', template = ''] = route.split(' ');
    const operation = document.paths[template]?.[method.toLowerCase()];
    if (operation === undefined) throw new Error('not in the document');
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'document', components: document.components });
    const validators = new Map<string, ValidateFunction>();
    for (const [status, { content }] of Object.entries(operation.responses)) {
      const text = JSON.stringify(content['application/json'].schema);
      const schema = JSON.parse(text.replaceAll('"#/components', '"document#/components'));
      validators.set(status, ajv.compile(schema));
    }
    const statuses = new Set<number>();
    const ask = async (call: Call): Promise<void> => {
      const response = await make(method, template, call);
      const text = await response.text();
      statuses.add(response.status);
      expect(response.status, text).toBeLessThan(500);
      expect(response.headers.get('content-type')).toMatch(/^application\/json/);
      const key = `${response.status}`;
      const validate = validators.get(key) ?? validators.get(`${key.charAt(0)}XX`);
      if (validate === undefined) throw new Error(`${key} is not described: ${text}`);
      validate(JSON.parse(text));
      expect([text, validate.errors]).toEqual([text, null]);
      expect(text).not.toMatch(/node_modules|\bat \S+:\d+:\d+|syntax error|violates/);
    };
    await fc.assert(fc.asyncProperty(callsOf(operation), ask), { numRuns: 200 });
    // The fuzz was worth it only if it came through as well as being turned away.
    const families = new Set([...statuses].map((status) => Math.floor(status / 100)));
    const plain = ['/health', '/ready', '/demo/settings'].includes(template);
    expect(families).toEqual(new Set(plain ? [2] : [2, 4]));
  }, 60_000);
});
