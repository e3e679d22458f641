import type { Reason } from '@parley/shared/reason';

/** What a failed query means: a reason of the contract, and whether the same query may succeed when tried again. */
interface Failure {
  reason: Reason;
  transient: boolean;
}

const unavailable: Failure = { reason: 'UNAVAILABLE', transient: true };
const invalid: Failure = { reason: 'INVALID_INPUT', transient: false };

/** By SQLSTATE, or by its class (the first two characters). PostgreSQL's documentation, appendix A. */
const states: Readonly<Record<string, Failure>> = {
  // connection exception
  '08': unavailable,
  // data exception: text or a number that the column cannot hold
  '22': invalid,
  '23503': { reason: 'NOT_FOUND', transient: false },
  '23505': { reason: 'IDEMPOTENCY_CONFLICT', transient: false },
  // a cached plan that a migration has made useless: it is made anew the next time
  '0A000': unavailable,
  // read-only transaction: the server has become a standby
  '25006': unavailable,
  // a transaction that an earlier failure has ended: another one may do
  '25P02': unavailable,
  '25P03': unavailable,
  '28': { reason: 'UNAVAILABLE', transient: false },
  '3D000': { reason: 'UNAVAILABLE', transient: false },
  // serialization failure and deadlock
  '40001': unavailable,
  '40P01': unavailable,
  // insufficient resources
  '53': unavailable,
  '55P03': unavailable,
  '57014': unavailable,
  '57P01': unavailable,
  '57P02': unavailable,
  '57P03': unavailable,
  '57P05': unavailable,
  // system error
  '58': unavailable,
};

const network: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EAI_AGAIN',
  'ENOTFOUND',
  'EMFILE',
  'ENFILE',
]);

/** What the driver and its pool say without any code. */
const sayings =
  /^(timeout exceeded when trying to connect|timeout expired|Query read timeout|Connection terminated|Client has encountered a connection error|Client was closed and is not queryable|Cannot use a pool after calling end|driver has already been destroyed|This socket has been ended)/;

/** Causes that are looked through: Kysely and the pool wrap what the driver throws. */
const depth = 4;

function textOf(error: object, field: string): string | undefined {
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' ? value : undefined;
}

function failureOf(error: unknown, left = depth): Failure | undefined {
  if (!(error instanceof Error) || left === 0) return undefined;
  const code = textOf(error, 'code');
  if (code !== undefined) {
    if (/^[0-9A-Z]{5}$/.test(code) && textOf(error, 'severity') !== undefined)
      return states[code] ?? states[code.slice(0, 2)];
    // A unix socket that is not there; any other missing file is not the database's.
    if (network.has(code) || (code === 'ENOENT' && textOf(error, 'syscall') === 'connect')) return unavailable;
  }
  if (sayings.test(error.message)) return unavailable;
  return failureOf(error.cause, left - 1);
}

/**
 * The reason that a failed query is answered with; undefined when the error did not come from the database, or is a fault of
 * the query itself.
 */
export function failureReason(error: unknown): Reason | undefined {
  return failureOf(error)?.reason;
}

/**
 * Whether another attempt may succeed. A connection that broke may have committed first: what is tried again must be
 * idempotent.
 */
export function isTransient(error: unknown): boolean {
  return failureOf(error)?.transient === true;
}

/** Whether a row was already there; with `constraint`, by that unique index alone. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  if (!(error instanceof Error) || textOf(error, 'code') !== '23505') return false;
  return constraint === undefined || textOf(error, 'constraint') === constraint;
}
