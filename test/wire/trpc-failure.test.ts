import { errorFormatter, errorShapeFor, reasonOf, toTRPCError } from '@parley/server/rpc/failure';
import { isRetryable, ParleyError, reasons } from '@parley/shared/reason';
import { TRPCError } from '@trpc/server';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

describe('a failure', () => {
  it.each(reasons)('with reason %s keeps it, and has the same shape before and behind a router', (reason) => {
    const error = toTRPCError(new ParleyError(reason, { details: { a: 1 } }));
    expect(reasonOf(error)).toBe(reason);
    const shape = errorFormatter({ error, ctx: { traceId: 't' } });
    expect(shape).toEqual(errorShapeFor(reason, { traceId: 't', details: { a: 1 } }));
    expect(shape.data).toMatchObject({ reason, retryable: isRetryable(reason), traceId: 't', details: { a: 1 } });
    expect(shape.data.httpStatus).toBeGreaterThanOrEqual(400);
  });

  it.each([
    ['UNAUTHENTICATED', 401],
    ['FORBIDDEN', 403],
    ['NOT_FOUND', 404],
    ['TURN_IN_PROGRESS', 409],
    ['PAYLOAD_TOO_LARGE', 413],
    ['UNSUPPORTED_FORMAT', 415],
    ['RATE_LIMITED', 429],
    ['DRAINING', 503],
    ['MODEL_TIMEOUT', 504],
    ['INTERNAL', 500],
  ] as const)('%s is HTTP status %i', (reason, status) => {
    expect(errorShapeFor(reason).data.httpStatus).toBe(status);
  });

  it('thrown as it is within a procedure is the same as converted', () => {
    const cause = new ParleyError('TURN_IN_PROGRESS');
    const wrapped = new TRPCError({ code: 'INTERNAL_SERVER_ERROR', cause });
    expect(errorFormatter({ error: wrapped, ctx: { traceId: 't' } })).toEqual(
      errorFormatter({ error: toTRPCError(cause), ctx: { traceId: 't' } }),
    );
  });

  it('of an input lists what is wrong, and not more than ten things', () => {
    const parsed = z.object({ parts: z.array(z.string()) }).safeParse({ parts: Array.from({ length: 50 }, () => 1) });
    const error = new TRPCError({ code: 'BAD_REQUEST', cause: parsed.error });
    const { reason, details } = errorFormatter({ error }).data;
    expect(reason).toBe('INVALID_INPUT');
    expect(details?.issues).toHaveLength(10);
    expect(details?.issues).toMatchObject([
      { path: 'parts.0', message: expect.any(String) },
      {},
      {},
      {},
      {},
      {},
      {},
      {},
      {},
      {},
    ]);
  });

  it('of an output or within a procedure is not one of its input', () => {
    const cause = z.string().safeParse(1).error;
    expect(reasonOf(new TRPCError({ code: 'INTERNAL_SERVER_ERROR', cause }))).toBe('INTERNAL');
  });

  it.each([
    [new TRPCError({ code: 'PARSE_ERROR' }), 'INVALID_MESSAGE'],
    [new TRPCError({ code: 'BAD_REQUEST', cause: new SyntaxError('x') }), 'INVALID_MESSAGE'],
    [new TRPCError({ code: 'BAD_REQUEST' }), 'INVALID_INPUT'],
    [new TRPCError({ code: 'NOT_FOUND' }), 'NOT_FOUND'],
    [new TRPCError({ code: 'METHOD_NOT_SUPPORTED' }), 'INVALID_INPUT'],
    [new TRPCError({ code: 'PAYLOAD_TOO_LARGE' }), 'PAYLOAD_TOO_LARGE'],
    [new TRPCError({ code: 'UNSUPPORTED_MEDIA_TYPE' }), 'UNSUPPORTED_FORMAT'],
    [new TRPCError({ code: 'CLIENT_CLOSED_REQUEST' }), 'INTERNAL'],
    [toTRPCError('a string'), 'INTERNAL'],
  ])('of tRPC itself has a reason', (error, reason) => {
    expect(reasonOf(error)).toBe(reason);
  });

  it('speaks to people in their language, and never of its cause', () => {
    const error = toTRPCError(new Error('password at /srv/secret.ts'));
    const text = JSON.stringify([errorFormatter({ error }), errorFormatter({ error, ctx: { locale: 'zh' } })]);
    expect(text).not.toMatch(/password|secret|stack/);
    expect(errorFormatter({ error, ctx: { locale: 'zh' } }).message).toBe('出了点问题。');
    expect(errorFormatter({ error }).data.traceId).toMatch(/^[0-9a-f]{32}$/);
  });
});
