/**
 * The catalogue of what can be refused: one code, one HTTP status, one meaning, for both doors.
 * Rules throw `ChatError`; REST and Socket.IO translate it, so a code is never spelled in a door.
 */
export const errorCatalogue = {
  invalid_request: { status: 400, retryable: false },
  unauthenticated: { status: 401, retryable: false },
  token_expired: { status: 401, retryable: false },
  foreign_page: { status: 403, retryable: false },
  identity_mismatch: { status: 403, retryable: false },
  not_a_participant: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  idempotency_conflict: { status: 409, retryable: false },
  conversation_exists: { status: 409, retryable: false },
  payload_too_large: { status: 413, retryable: false },
  unsupported_media_type: { status: 415, retryable: false },
  unknown_reference: { status: 422, retryable: false },
  rate_limited: { status: 429, retryable: true },
  headers_too_large: { status: 431, retryable: false },
  internal: { status: 500, retryable: false },
  unavailable: { status: 503, retryable: true },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ErrorCode = keyof typeof errorCatalogue;
/** All of them. */
export const ERROR_CODES = Object.keys(errorCatalogue) as readonly ErrorCode[];

/** What is wrong with which field: field name → sentence. */
export type ErrorDetails = Record<string, string>;

/** A refusal the caller may see. `message` is written for the caller: no internals in it. */
export class ChatError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;
  /** Seconds after which trying again makes sense; only for retryable codes. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details?: ErrorDetails,
    retryAfterSeconds?: number,
  ) {
    super(message);
    this.name = 'ChatError';
    this.code = code;
    this.details = details;
    this.retryAfterSeconds = errorCatalogue[code].retryable ? (retryAfterSeconds ?? 1) : undefined;
  }

  /** The HTTP status that goes with the code. */
  get status(): number {
    return errorCatalogue[this.code].status;
  }
}

/** The error part of the envelope both doors answer with. */
export interface ErrorBody {
  code: ErrorCode;
  message: string;
  details?: ErrorDetails;
  /** Whole seconds after which trying again makes sense; with every code that is retryable. */
  retry_after?: number;
}

/** What the caller is told of `error`; anything that is not a ChatError is `internal`, unexplained. */
export function toErrorBody(error: unknown): ErrorBody {
  if (!(error instanceof ChatError)) {
    return { code: 'internal', message: 'Something went wrong on our side.' };
  }
  const body: ErrorBody = { code: error.code, message: error.message };
  if (error.details !== undefined) body.details = error.details;
  if (error.retryAfterSeconds !== undefined) body.retry_after = error.retryAfterSeconds;
  return body;
}
