import type { ParleyError } from '@parley/shared/reason';
import type { TRPCProcedureType } from '@trpc/server';
import type { TRPCResultMessage } from '@trpc/server/rpc';
import type { CallContext, CallFailure, Serving } from '../transport.ts';
import type { Outbox } from './outbox.ts';
import type { Wire } from './wire.ts';

/** One request of a client, its input read. */
export interface Call {
  readonly id: number | string;
  readonly jsonrpc: '2.0' | undefined;
  readonly type: TRPCProcedureType;
  readonly path: string;
  readonly input: unknown;
  /** Its place in the frame that it came in. */
  readonly batchIndex: number;
}

/** A request, or a whole connection, that is refused before any procedure is reached. */
export interface Refusal {
  /** Null when it can be said of no single request. */
  id: number | string | null;
  jsonrpc?: '2.0' | undefined;
  path?: string | undefined;
  error: ParleyError;
}

export type Opened = { ok: true; ctx: CallContext } | { ok: false; error: unknown };

/** What a call may do with the connection that it came on. */
export interface Line {
  readonly serving: Serving;
  readonly wire: Wire;
  readonly outbox: Outbox;
  readonly isOpen: boolean;
  /** Never rejects. */
  readonly context: Promise<Opened>;
  /** Why the credential is no longer good. */
  invalid(): ParleyError | undefined;
  reply(call: Call, result: TRPCResultMessage<unknown>['result']): void;
  /** Answers with an error; nothing is thrown, whatever it is. */
  fail(call: Call, cause: unknown): void;
  refuse(refusal: Refusal): void;
  /** Reports an error that the client is not told. */
  report(failure: Omit<CallFailure, 'ctx'>): void;
}
