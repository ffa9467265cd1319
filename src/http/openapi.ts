/** What the OpenAPI document says besides the routes: who calls, and under which names shapes are found. */
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { RouteOptions } from 'fastify';

/** The document's frame. Every operation asks who calls, unless its schema says otherwise. */
export function openApiOptions(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Messaging service',
        description: 'Chat between people: stored, ordered, delivered once.',
        version,
      },
      // Wherever the document was asked for: nobody else knows by which name a proxy is called.
      servers: [{ url: '/' }],
      // Either of them.
      security: [{ bearer: [] }, { userId: [] }],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'A token of a user or of a service, or a service token',
          },
          userId: {
            type: 'apiKey',
            in: 'header',
            name: 'x-user-id',
            description: 'With AUTH_MODE=insecure; a call without it acts as a service',
          },
        },
      },
    },
    // What has a name keeps it, so that what is generated from the document has it, too.
    refResolver: {
      buildLocalReference: (schema, _baseUri, _fragment, n) => String(schema.$id ?? `def-${n}`),
    },
    transformObject: (made) => {
      if (!('openapiObject' in made)) throw new Error('the document is not of OpenAPI');
      nameBodies(made.openapiObject as Document);
      return made.openapiObject;
    },
  };
}

/** Of the document that the plugin makes, what is gone through here. */
interface Content {
  content?: Record<string, { schema?: object }>;
}
interface Operation {
  operationId?: string;
  requestBody?: Content & { required?: boolean };
  responses?: Record<string, Content>;
}
interface Document {
  components: { schemas: Record<string, object> };
  paths: Record<string, Record<string, Operation>>;
}

/**
 * Gives the shapes of whole bodies names, which the plugin leaves where they are used: `SendMessageInput`
 * is what `sendMessage` takes, `Failure` what every call may answer.
 */
function nameBodies({ components, paths }: Document): void {
  const name = (body: Content | undefined, as: string): void => {
    const json = body?.content?.['application/json'];
    if (json?.schema === undefined) return;
    components.schemas[as] ??= json.schema;
    json.schema = { $ref: `#/components/schemas/${as}` };
  };
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path))) {
    const { operationId = '', requestBody, responses = {} } = operation;
    const schema = requestBody?.content?.['application/json']?.schema;
    // What can be left out altogether need not be sent.
    if (requestBody !== undefined && schema !== undefined && !('required' in schema)) {
      requestBody.required = false;
    }
    name(requestBody, `${operationId.charAt(0).toUpperCase()}${operationId.slice(1)}Input`);
    for (const [status, response] of Object.entries(responses)) {
      if (/^[45]/.test(status)) name(response, 'Failure');
    }
  }
}

/** For Fastify's `onRoute`: anybody may call, unless the route's schema says otherwise. */
export function openToAll(route: RouteOptions): void {
  route.schema = { security: [], ...route.schema };
}
