import { isTransient } from '@parley/db/failure';
import { ParleyError, type Reason } from '@parley/shared/reason';
import { ModelError } from '../model/port.ts';
import type { Outcome } from './settle.ts';
import type { StopKind } from './stop.ts';

/** How a turn ends: by who stopped it, else by what went wrong, else well. */
export function verdictOf(stopped: StopKind | undefined, failure: unknown): Pick<Outcome, 'status' | 'code'> {
  if (stopped === 'interrupt') return { status: 'interrupted' };
  if (stopped === 'handover') return { status: 'failed', code: 'OWNER_LOST' };
  return failure === undefined ? { status: 'completed' } : { status: 'failed', code: codeOf(failure) };
}

function codeOf(error: unknown): Reason {
  if (error instanceof ModelError || error instanceof ParleyError) return error.reason;
  return isTransient(error) ? 'UNAVAILABLE' : 'INTERNAL';
}

/** An error's name and never its message, which may hold what somebody said. */
export function errorName(error: unknown): string {
  if (error instanceof ModelError) return `${error.name} ${error.reason}`;
  return error instanceof Error ? error.name : 'unknown';
}
