/**
 * The REST door: Fastify with the routes of the contract, the OpenAPI document made from their
 * schemas, and one way to say no. It runs on whatever server the caller gives it.
 */
import swagger from '@fastify/swagger';
import {
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerFactory,
  fastify,
  LogController,
} from 'fastify';
import type { Doorkeeper } from '../auth/doorkeeper.ts';
import { MAX_HEADER_BYTES } from '../bounds/shared.ts';
import type { Chat } from '../chat/chat.ts';
import { ChatError } from '../chat/errors.ts';
import type { Logger } from '../log.ts';
import { createCors } from '../shared/cors.ts';
import { newId } from '../shared/ids.ts';
import type { PageOrigins } from '../shared/origin.ts';
import { authenticateCallers, type CallLimits } from './caller.ts';
import { conversationRoutes } from './conversation-routes.ts';
import { corsHook } from './cors-hook.ts';
import { answerError, answerNotFound } from './errors.ts';
import { jsonTextOf } from './json-body.ts';
import { messageRoutes } from './message-routes.ts';
import { createOpenTurns, type OpenRoutesDeps, openRoutes } from './open-routes.ts';
import { openApiOptions } from './openapi.ts';
import type { PageGuard } from './page-guard.ts';
import { type RequestTimes, routeTimer } from './request-times.ts';
import type { SchemaTypes } from './routes.ts';
import { closeQuery, compileValidator } from './validation.ts';

export interface HttpAppDeps extends Omit<OpenRoutesDeps, 'turns'> {
  chat: Chat;
  doorkeeper: Doorkeeper;
  corsOrigins: PageOrigins;
  /** Refuses pages of other origins; left out: any page may call, and by whatever name. */
  pageGuard?: PageGuard;
  maxPayloadBytes: number;
  /** Where every answer is counted; left out: nowhere. */
  requestTimes?: RequestTimes;
  /** How often people may call; left out: as often as they like. */
  limits?: CallLimits;
  /** True while the process is going down: calls are refused, so that clients go elsewhere. */
  draining(): boolean;
  log: Logger;
  /** Makes the server the app listens on; left out: Node's own http server. */
  serverFactory?: FastifyServerFactory;
}

/** The Fastify app with all routes, ready to answer; whoever gives it a server listens. */
export async function createHttpApp(deps: HttpAppDeps) {
  const app = fastify({
    loggerInstance: deps.log,
    // A line per request costs more than the request; failures are logged where they are answered.
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    // Fastify's own 503 is not our envelope; `draining` says it while the server closes.
    return503OnClosing: false,
    genReqId: ({ headers }) => requestIdOf(headers['x-request-id']),
    bodyLimit: deps.maxPayloadBytes,
    // Too long a part of a path is no UUID either, and refused as such.
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    // What the router itself refuses: a path that is no URL.
    frameworkErrors: answerRouterError,
    ...(deps.serverFactory === undefined ? {} : { serverFactory: deps.serverFactory }),
  }).withTypeProvider<SchemaTypes>();

  if (deps.requestTimes !== undefined) app.addHook('onRoute', routeTimer(deps.requestTimes));
  app.addHook('onRequest', async (request, reply) => nameAnswer(request, reply));
  const { pageGuard } = deps;
  if (pageGuard !== undefined) app.addHook('onRequest', async (request) => pageGuard(request));
  // No body is an empty one. Before the validator, to which Fastify gives null for it: JSON's null is none.
  app.addHook('preValidation', (request, _reply, done) => {
    if (request.body === undefined && request.routeOptions.schema?.body) request.body = {};
    done();
  });
  app.addHook('onRequest', corsHook(createCors(deps.corsOrigins)));
  // A preflight has no other route; what else is asked with OPTIONS finds nothing.
  app.options('*', { schema: { hide: true } }, (_request, reply) => reply.callNotFound());
  app.setValidatorCompiler(compileValidator);
  app.setErrorHandler(answerError);
  const turns = createOpenTurns();
  app.addHook('onClose', async () => turns.close());
  app.setNotFoundHandler({ preValidation: turns.probes.take }, (request, reply) =>
    timeNoRoute(request, answerNotFound(request, reply)),
  );
  app.removeContentTypeParser('text/plain');
  // `fetch` with an empty body and a JSON content type is common for PUT and DELETE.
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    (request, body, done) => {
      let text: string;
      try {
        text = jsonTextOf(request, body);
      } catch (refusal) {
        done(refusal as ChatError);
        return;
      }
      if (text === '') done(null, undefined);
      else parseJson(request, text, done);
    },
  );

  await app.register(swagger, openApiOptions(deps.version));
  await app.register(openRoutes({ ...deps, turns }));
  await app.register(async (scope) => {
    scope.addHook('onRequest', async (_request, reply) => {
      // What is here is one person's: no cache between may keep it, nor a browser for the next one.
      reply.header('cache-control', 'no-store');
      if (!deps.draining()) return;
      reply.header('connection', 'close');
      throw new ChatError('unavailable', 'This node is going down; another one answers.');
    });
    scope.addHook('onRoute', closeQuery);
    authenticateCallers(scope, deps.doorkeeper, deps.limits);
    await scope.register(conversationRoutes(deps.chat.conversations));
    await scope.register(messageRoutes(deps.chat.messages, deps.chat.cursors));
  });
  return app;

  /** No hook runs for what the router refuses. */
  function answerRouterError(error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
    nameAnswer(request, reply);
    timeNoRoute(request, answerError(error, request, reply));
  }

  function timeNoRoute(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    deps.requestTimes?.noRoute(request.method)(reply.statusCode, reply.elapsedTime);
    return reply;
  }
}

/** What every answer says, whoever gives it. */
function nameAnswer(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
}

/** The caller's own id where it is plain enough for a header and a log line, else a new one. */
function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : newId();
}
