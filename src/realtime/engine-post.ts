/**
 * Receives the POSTs of polling sessions.
 *
 * Guarantees: a body takes at most `maxPayloadBytes` of memory (`maxEarlyBytes` before the session has
 * an identity) and `bodyTimeoutMs` of time, whatever the client announces; the packets of a payload are handled all or none, up to the one that closes
 * the session.
 */

import { decodePayload, type EnginePacket } from '../protocol/engine-packet.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { GatheredBytes } from '../shared/gathered-bytes.ts';
import type { MemoryBudget } from '../shared/memory-budget.ts';
import { utf8Text } from '../shared/utf8.ts';
import { ENGINE_ERRORS, type EngineError } from './engine-http.ts';
import type { EngineLimits } from './engine-limits.ts';
import type { RealtimeLog } from './engine-log.ts';
import type { HttpReply } from './engine-reply.ts';
import type { EngineSession } from './engine-session.ts';
import type { TickDeadlines } from './heartbeat.ts';
import type { HttpRequest } from './uws.ts';

/** Explicit, to keep old user agents from offering it as a download. */
const OK_TYPE = 'text/html';
/** Reasons that are the client's fault: its POST is answered with an error. */
const FAULTS: ReadonlySet<string> = new Set([
  'parse error',
  'transport error',
  'server error',
  'not admitted',
]);

/** A body on its way. */
interface Incoming<Owner> {
  readonly session: EngineSession<Owner>;
  readonly reply: HttpReply;
  readonly body: GatheredBytes;
  /** What the budget counts for it. */
  heldBytes: number;
}

export interface PostReceiver<Owner> {
  /** Takes the POST of an open or closing polling session. */
  receive(session: EngineSession<Owner>, reply: HttpReply, req: HttpRequest): void;
}

export interface PostDeps<Owner> {
  readonly limits: EngineLimits;
  readonly memory: MemoryBudget;
  readonly log: RealtimeLog;
  /** Makes the queue that cuts slow bodies. */
  deadlines(ms: number, onDue: (body: Incoming<Owner>) => void): TickDeadlines<Incoming<Owner>>;
}

/** The receiver of one server, for the bodies that polling sessions send. */
export function createPostReceiver<Owner>(deps: PostDeps<Owner>): PostReceiver<Owner> {
  const { limits, memory, log } = deps;
  const late = deps.deadlines(limits.bodyTimeoutMs, (incoming) =>
    cut(incoming, ENGINE_ERRORS.bodyTimeout),
  );

  /** A POST that cannot be taken is a hole in what the client sent: the session ends with it. */
  function refuse(session: EngineSession<Owner>, reply: HttpReply, error: EngineError): void {
    if (session.polling?.post === reply) session.polling.post = undefined;
    // A session that has left polling since is not this request's any more.
    if (session.polling !== undefined) session.abort('transport error');
    reply.error(error, true);
  }

  const maxBytes = ({ identified }: EngineSession<Owner>): number =>
    identified ? limits.maxPayloadBytes : limits.maxEarlyBytes;

  /** The body is complete, or nothing more of it is kept. */
  function forget(incoming: Incoming<Owner>): void {
    late.delete(incoming);
    memory.release(incoming.session, incoming.heldBytes);
    incoming.heldBytes = 0;
  }

  function cut(incoming: Incoming<Owner>, error: EngineError): void {
    forget(incoming);
    refuse(incoming.session, incoming.reply, error);
  }

  function chunk(incoming: Incoming<Owner>, data: ArrayBuffer, isLast: boolean): void {
    const { session, reply, body } = incoming;
    if (!reply.open) return;
    if (body.bytes + data.byteLength > maxBytes(session)) {
      cut(incoming, ENGINE_ERRORS.payloadTooLarge);
      return;
    }
    body.add(data);
    if (isLast) {
      forget(incoming);
      complete(session, reply, body.take());
    } else if (body.isShredded) {
      // An answer would not keep uWebSockets.js from handing over each shred that has come already.
      reply.cut();
    } else {
      const more = body.capacity - incoming.heldBytes;
      incoming.heldBytes = body.capacity;
      if (!memory.hold(session, more)) cut(incoming, ENGINE_ERRORS.unavailable);
    }
  }

  function complete(session: EngineSession<Owner>, reply: HttpReply, body: Buffer): void {
    const { polling } = session;
    if (polling?.post === reply) polling.post = undefined;
    if (polling === undefined || session.state === 'closed') {
      reply.error(ENGINE_ERRORS.badRequest);
      return;
    }
    const packets = packetsOf(body);
    if (packets === undefined) {
      session.abort('parse error');
      reply.error(ENGINE_ERRORS.badRequest);
      return;
    }
    for (const packet of packets) if (session.admits(0)) session.packet(packet);
    if (FAULTS.has(session.reason)) reply.error(ENGINE_ERRORS.badRequest);
    else reply.ok(OK_TYPE, 'ok');
  }

  /** undefined: they are none, or not in UTF-8, as frames of a WebSocket must be too. */
  function packetsOf(body: Buffer): EnginePacket[] | undefined {
    const text = utf8Text(body);
    if (text === undefined) return undefined;
    try {
      return decodePayload(text, { maxPackets: limits.maxPayloadPackets });
    } catch (error) {
      if (error instanceof ProtocolError) return undefined;
      throw error;
    }
  }

  return {
    receive(session, reply, req) {
      const { polling } = session;
      const { response } = reply;
      if (polling === undefined || response === undefined) return;
      const overlaps = polling.post !== undefined;
      // Version 4 sends binary as base64 text: a binary body is not its.
      const isBinary = req.getHeader('content-type') === 'application/octet-stream';
      if (overlaps || isBinary) {
        refuse(session, reply, ENGINE_ERRORS.badRequest);
        return;
      }
      if (Number(req.getHeader('content-length')) > maxBytes(session)) {
        refuse(session, reply, ENGINE_ERRORS.payloadTooLarge);
        return;
      }
      const incoming = { session, reply, body: new GatheredBytes(), heldBytes: 0 };
      polling.post = reply;
      late.add(incoming);
      reply.onAbort = () => {
        forget(incoming);
        polling.post = undefined;
        if (session.polling === polling) session.abort('transport error');
      };
      response.onData((data, isLast) => {
        try {
          chunk(incoming, data, isLast);
        } catch (error) {
          log.error({ err: error }, 'A polling POST failed');
          cut(incoming, ENGINE_ERRORS.badRequest);
        }
      });
    },
  };
}
