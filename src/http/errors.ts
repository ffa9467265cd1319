/** Every refusal of the REST door, from wherever it comes, as one envelope with a catalogued code. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { ChatError, type ErrorCode, toErrorBody } from '../chat/errors.ts';

/** Fastify's own refusals that have a code of their own in the catalogue. */
const FASTIFY_CODES: ReadonlyMap<string, { code: ErrorCode; message: string }> = new Map([
  ['FST_ERR_CTP_BODY_TOO_LARGE', { code: 'payload_too_large', message: 'The body is too large.' }],
  [
    'FST_ERR_CTP_INVALID_MEDIA_TYPE',
    { code: 'unsupported_media_type', message: 'The body must be application/json.' },
  ],
  [
    'FST_ERR_CTP_INVALID_JSON_BODY',
    { code: 'invalid_request', message: 'The body is not valid JSON.' },
  ],
  // Their own words repeat the path.
  ['FST_ERR_BAD_URL', { code: 'invalid_request', message: 'The path is not a valid URL.' }],
]);

function toChatError(error: FastifyError): FastifyError | ChatError {
  if (error instanceof ChatError) return error;
  const known = FASTIFY_CODES.get(error.code);
  if (known !== undefined) return new ChatError(known.code, known.message);
  // What else Fastify refuses before a handler runs is the caller's mistake, in Fastify's words.
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) return new ChatError('invalid_request', error.message);
  return error;
}

/** Fastify's error handler: the refusal in the envelope; what is no refusal is logged, and answered with 500. */
export function answerError(error: FastifyError, request: FastifyRequest, reply: FastifyReply) {
  const refusal = toChatError(error);
  if (refusal instanceof ChatError) {
    reply.code(refusal.status);
    if (refusal.retryAfterSeconds !== undefined) {
      reply.header('retry-after', String(refusal.retryAfterSeconds));
    }
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer');
  } else {
    reply.code(500);
    request.log.error({ err: error }, 'request failed');
  }
  return reply.send({ success: false, error: toErrorBody(refusal) });
}

/** The body for a request that is refused before Fastify sees it. */
export function refusalBody({ status, message }: { status: 400 | 431; message: string }): string {
  const code: ErrorCode = status === 431 ? 'headers_too_large' : 'invalid_request';
  return JSON.stringify({ success: false, error: toErrorBody(new ChatError(code, message)) });
}

/** Fastify's handler for paths that there are not. */
export function answerNotFound(_request: FastifyRequest, reply: FastifyReply) {
  return reply.code(404).send({ success: false, error: toErrorBody(noSuchRoute()) });
}

/** The refusal of a path that there is not. */
export function noSuchRoute(): ChatError {
  return new ChatError('not_found', 'There is no such route.');
}
