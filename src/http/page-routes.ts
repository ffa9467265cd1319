/**
 * The chat page: its files at `/`, and what it asks before anybody is known. Assets carry a hash in
 * their name and are cached for ever, the page itself is asked for again. Nothing inline runs in it, and nothing of another host but images.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import helmet from '@fastify/helmet';
import fastifyStatic from '@fastify/static';
import { Type } from '@sinclair/typebox';
import { MAX_DEMO_NAME_LENGTH, STRICT_FOR_S } from '../bounds/http.ts';
import { ChatError } from '../chat/errors.ts';
import { EnumOut, Person } from '../chat/schemas.ts';
import { isStorable } from '../shared/storable-text.ts';
import { failures, Success } from './envelope.ts';
import type { Routes } from './routes.ts';

export interface PageDeps {
  /** Where the built page lies. */
  directory: string;
  authMode: 'jwt' | 'insecure';
  maxContentLength: number;
  /** The people of a database of our own; null: people are made elsewhere and not listed. */
  people: {
    list(): Promise<Person[]>;
    /** Makes a person; null: there are enough. */
    create(name: string): Promise<Person | null>;
  } | null;
}

const FOR_EVER = 'public, max-age=31536000, immutable';

const PageSettings = Type.Object({
  auth_mode: EnumOut(['jwt', 'insecure']),
  max_content_length: Type.Integer(),
  can_create_people: Type.Boolean(),
  people: Type.Array(Person),
});
const NewPerson = Type.Object({
  name: Type.String({ minLength: 1, maxLength: MAX_DEMO_NAME_LENGTH }),
});

/**
 * Whether browsers must use TLS with this host. Only who terminates it can say, and for no other host;
 * where that is a proxy, it is the proxy.
 */
export const strictTransport = (tls: boolean) =>
  tls && { maxAge: STRICT_FOR_S, includeSubDomains: false };

/** Routes of the page and, where people may be made, of its people. */
export function pageRoutes(deps: PageDeps & { tls: boolean }): Routes {
  const { people } = deps;
  return async (fastify) => {
    await fastify.register(helmet, {
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: ["'self'"],
          styleSrc: ["'self'"],
          connectSrc: ["'self'"],
          imgSrc: ["'self'", 'data:', 'https:', 'http:'],
          manifestSrc: ["'self'"],
          baseUri: ["'none'"],
          formAction: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      strictTransportSecurity: strictTransport(deps.tls),
      // Over plain HTTP on a phone in the same network the browser would only complain about these.
      crossOriginOpenerPolicy: false,
      originAgentCluster: false,
    });

    fastify.get(
      '/demo/settings',
      {
        schema: {
          operationId: 'getPageSettings',
          summary: 'What the chat page needs to know before anybody is known',
          tags: ['page'],
          response: { 200: Success(PageSettings), ...failures },
        },
      },
      async (_request, reply) => {
        reply.header('cache-control', 'no-store');
        return {
          success: true as const,
          data: {
            auth_mode: deps.authMode,
            max_content_length: deps.maxContentLength,
            can_create_people: people !== null,
            people: people === null ? [] : await people.list(),
          },
        };
      },
    );

    if (people !== null) {
      fastify.post(
        '/demo/people',
        {
          schema: {
            operationId: 'createPerson',
            summary: 'Make a person (only on the embedded database, which is ours)',
            tags: ['page'],
            body: NewPerson,
            response: { 201: Success(Person), ...failures },
          },
        },
        async (request, reply) => {
          const name = request.body.name.trim();
          if (name === '' || /\p{Cc}/u.test(name) || !isStorable(name)) {
            throw new ChatError('invalid_request', 'A name has something to read in it.');
          }
          const person = await people.create(name);
          if (person === null) throw new ChatError('invalid_request', 'There are enough people.');
          reply.code(201);
          return { success: true as const, data: person };
        },
      );
    }

    if (!existsSync(join(deps.directory, 'index.html'))) {
      fastify.log.warn('The chat page is not built: npm run build makes it.');
      return;
    }
    await fastify.register(fastifyStatic, {
      root: join(deps.directory, 'assets'),
      prefix: '/assets/',
      cacheControl: false,
      setHeaders(reply, path) {
        reply.header('cache-control', path.endsWith('.html') ? 'no-cache' : FOR_EVER);
      },
    });
    fastify.get('/', { schema: { hide: true } }, (_request, reply) =>
      reply.sendFile('index.html', deps.directory),
    );
  };
}
