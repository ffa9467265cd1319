/** The envelope of every REST answer, as schemas. */
import { type TSchema, Type } from '@sinclair/typebox';
import { ERROR_CODES } from '../chat/errors.ts';
import { EnumOut, RetryAfter } from '../chat/schemas.ts';

/** The answer of a call that succeeded: `{"success":true,"data":…}`. */
export const Success = <T extends TSchema>(data: T) =>
  Type.Object({ success: Type.Literal(true), data });

/** The answer of any other: `{"success":false,"error":{"code":"…","message":"…"}}`. */
export const Failure = Type.Object({
  success: Type.Literal(false),
  error: Type.Object({
    code: EnumOut(ERROR_CODES),
    message: Type.String(),
    details: Type.Optional(Type.Record(Type.String(), Type.String())),
    retry_after: Type.Optional(RetryAfter),
  }),
});

/** What any call may answer besides its success. */
export const failures = { '4xx': Failure, '5xx': Failure };
