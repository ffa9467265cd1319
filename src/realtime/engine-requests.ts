/**
 * Every HTTP request of Engine.IO: the checks in the stock server's order, then the handshake, a
 * poll, a POST, a preflight, or the switch to WebSocket.
 *
 * Guarantees: each request gets exactly one answer; a bad one touches no session but its own.
 */

import { MAX_VAIN_REQUESTS_IN_TURN } from '../bounds/realtime.ts';
import type { Cors, CorsDecision } from '../shared/cors.ts';
import type { Connection } from './engine-host.ts';
import {
  type ClientGate,
  ENGINE_ERRORS,
  type EngineError,
  hasControlCharacters,
  isWellFramed,
  isWellFramedUpgrade,
  parseQuery,
  type RequestFacts,
  readFacts,
} from './engine-http.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { RealtimeLog } from './engine-log.ts';
import type { ForeignSessions } from './engine-peers.ts';
import type { PostReceiver } from './engine-post.ts';
import { HttpReply } from './engine-reply.ts';
import type { EngineSession } from './engine-session.ts';
import { acceptWebSocket } from './engine-websocket.ts';
import type { HttpRequest, HttpResponse, us_socket_context_t } from './uws.ts';

export interface RequestDeps<Owner> {
  readonly limits: EngineLimits;
  readonly log: RealtimeLog;
  readonly cors: Cors;
  readonly posts: PostReceiver<Owner>;
  find(sid: string): EngineSession<Owner> | undefined;
  /** Serves the sessions of other processes; undefined: what is not here is unknown. */
  readonly foreign: ForeignSessions | undefined;
  /** Whether a request may be looked at; all others are refused. */
  trusts(req: HttpRequest): boolean;
  /** Whether one more session may be opened. */
  accepts(): boolean;
  /** Who may come in; undefined: every client is admitted. */
  readonly gate: ClientGate | undefined;
  openPolling(facts: RequestFacts, reply: HttpReply): void;
  /** The handler of a new session's WebSocket. */
  openWebSocket(facts: RequestFacts): Connection;
  /** The handler of a WebSocket that wants to take a session over; undefined: not now. */
  openProbe(session: EngineSession<Owner>): Connection | undefined;
  /** A GET waits on a session whose client is about to upgrade. */
  holdPoll(session: EngineSession<Owner>): void;
}

export interface RequestHandlers {
  http(res: HttpResponse, req: HttpRequest): void;
  upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void;
}

type Query = ReadonlyMap<string, string>;

/** What the doors of a server do with each request and each WebSocket handshake. */
export function createRequestHandlers<Owner>(deps: RequestDeps<Owner>): RequestHandlers {
  const { limits, log, cors, posts, foreign, gate } = deps;
  /** Requests of this turn of the event loop that came to nothing. */
  let vain = 0;

  /**
   * Takes account of a request that comes to nothing; whether its connection had better go. A packet
   * holds thousands of them, and nothing else is done before all of those have been answered.
   */
  function isBurst(): boolean {
    if (vain === 0) {
      setImmediate(() => {
        vain = 0;
      });
    }
    vain += 1;
    return vain > MAX_VAIN_REQUESTS_IN_TURN;
  }

  /** The checks that need no session; the query when all is well. */
  function check(req: HttpRequest, decision: CorsDecision): Query | EngineError {
    if (!deps.trusts(req)) return ENGINE_ERRORS.forbidden;
    const raw = req.getQuery() ?? '';
    const { maxQueryBytes, maxQueryFields } = limits;
    const query = raw.length > maxQueryBytes ? undefined : parseQuery(raw, maxQueryFields);
    if (query === undefined) return ENGINE_ERRORS.queryTooLong;
    const transport = query.get('transport');
    if (transport !== 'polling' && transport !== 'websocket') return ENGINE_ERRORS.unknownTransport;
    if (hasControlCharacters(req.getHeader('origin'))) return ENGINE_ERRORS.badRequest;
    return decision.allowed ? query : ENGINE_ERRORS.forbidden;
  }

  function checkHandshake(query: Query): EngineError | undefined {
    if (query.get('EIO') !== '4') return ENGINE_ERRORS.unsupportedVersion;
    return deps.accepts() ? undefined : ENGINE_ERRORS.unavailable;
  }

  function poll(session: EngineSession<Owner>, reply: HttpReply): void {
    const { polling } = session;
    if (polling === undefined || polling.hasGet) {
      session.abort('transport error');
      reply.error(ENGINE_ERRORS.badRequest);
      return;
    }
    reply.onAbort = () => {
      if (session.polling === polling) session.abort('transport error');
    };
    polling.attach(reply);
    if (session.state === 'closing') {
      if (polling.sayClose()) session.finishClosing();
      return;
    }
    polling.flush();
    if (polling.hasGet && session.probe?.probed) deps.holdPoll(session);
  }

  function handshake(
    res: HttpResponse,
    req: HttpRequest,
    query: Query,
    reply: HttpReply,
  ): EngineError | undefined {
    if (req.getMethod() !== 'get') return ENGINE_ERRORS.badHandshakeMethod;
    if (query.get('transport') !== 'polling') return ENGINE_ERRORS.badRequest;
    const refusal = checkHandshake(query);
    if (refusal !== undefined) return refusal;
    const facts = readFacts(res, req, query);
    if (gate?.admits(facts) === false) return ENGINE_ERRORS.tooMany;
    deps.openPolling(facts, reply);
    return undefined;
  }

  /**
   * A request for a session that is not here: who may have it, and what to call when nobody has. Looking
   * costs something, and an id that nobody has is a guess or a mistake: there is a limit on both.
   */
  function lookForStray(
    sid: string,
    res: HttpResponse,
    req: HttpRequest,
    query: Query,
  ): EngineError | { owner: ForeignSessions; nobodys: () => void } {
    const facts = readFacts(res, req, query);
    if (gate?.admitsStray(facts) === false) return ENGINE_ERRORS.tooMany;
    const nobodys = (): void => gate?.strayed(facts);
    if (foreign?.mayHave(sid) === true) return { owner: foreign, nobodys };
    nobodys();
    return ENGINE_ERRORS.unknownSid;
  }

  /** Answers the request, or says with what error to answer it. */
  function http(
    res: HttpResponse,
    req: HttpRequest,
    reply: HttpReply,
    decision: CorsDecision,
  ): EngineError | undefined {
    const query = check(req, decision);
    if ('code' in query) return query;
    const sid = query.get('sid') ?? '';
    if (sid === '') return handshake(res, req, query, reply);
    const session = deps.find(sid);
    const stray = session === undefined ? lookForStray(sid, res, req, query) : undefined;
    if (stray !== undefined && 'code' in stray) return stray;
    const method = req.getMethod();
    if (method !== 'get' && method !== 'post') return ENGINE_ERRORS.badRequest;
    if (query.get('transport') !== 'polling') return ENGINE_ERRORS.badRequest;
    if (stray !== undefined) stray.owner.poll(sid, reply, req, stray.nobodys);
    else if (session === undefined) return ENGINE_ERRORS.unknownSid;
    else if (session.polling === undefined) return ENGINE_ERRORS.badRequest;
    else if (method === 'get') poll(session, reply);
    else posts.receive(session, reply, req);
    return undefined;
  }

  function upgradeHandler(
    res: HttpResponse,
    req: HttpRequest,
    query: Query,
  ): EngineError | { handler: Connection | undefined } {
    if (req.getHeader('upgrade').toLowerCase() !== 'websocket') return ENGINE_ERRORS.badRequest;
    if (req.getHeader('sec-websocket-version') !== '13') return ENGINE_ERRORS.badRequest;
    const sid = query.get('sid') ?? '';
    const session = sid === '' ? undefined : deps.find(sid);
    const isStray = sid !== '' && session === undefined;
    const stray = isStray ? lookForStray(sid, res, req, query) : undefined;
    if (stray !== undefined && 'code' in stray) return stray;
    if (query.get('transport') !== 'websocket') return ENGINE_ERRORS.badRequest;
    if (stray !== undefined) return { handler: stray.owner.webSocket(sid, stray.nobodys) };
    if (session !== undefined) return { handler: deps.openProbe(session) };
    const refusal = checkHandshake(query);
    if (refusal !== undefined) return refusal;
    const facts = readFacts(res, req, query);
    if (gate?.admits(facts) === false) return ENGINE_ERRORS.tooMany;
    return { handler: deps.openWebSocket(facts) };
  }

  return {
    http(res, req) {
      const decision = cors(req.getHeader('origin'), req.getHeader('host'));
      const reply = new HttpReply(res, req, decision);
      try {
        if (!isWellFramed(req)) {
          // What follows on this connection cannot be trusted to be a request.
          reply.error(ENGINE_ERRORS.badRequest, true);
          return;
        }
        if (req.getMethod() === 'options' && deps.trusts(req)) {
          if (isBurst()) reply.error(ENGINE_ERRORS.tooMany, true);
          else reply.preflight(req.getHeader('access-control-request-headers'));
          return;
        }
        const refusal = http(res, req, reply, decision);
        // Whoever is told to slow down shall not go on at once on the same connection.
        if (refusal !== undefined)
          reply.error(refusal, refusal === ENGINE_ERRORS.tooMany || isBurst());
      } catch (error) {
        log.error({ err: error }, 'An Engine.IO request failed');
        reply.error(ENGINE_ERRORS.badRequest, true);
      }
    },
    upgrade(res, req, context) {
      const decision = cors(req.getHeader('origin'), req.getHeader('host'));
      const query = isWellFramedUpgrade(req) ? check(req, decision) : ENGINE_ERRORS.badRequest;
      const result = 'code' in query ? query : upgradeHandler(res, req, query);
      if ('handler' in result) acceptWebSocket(res, req, context, result.handler);
      else new HttpReply(res, req, decision).error(result, true);
    },
  };
}
