import type { Observable } from './observable.ts';
import { isRecord } from './record.ts';
import { TRPCClientError } from './trpc-error.ts';

export interface Operation {
  readonly id: number;
  readonly type: 'query' | 'mutation' | 'subscription';
  readonly path: string;
  readonly input: unknown;
  readonly signal: AbortSignal | null;
  readonly context: Record<string, unknown>;
}

export type Result =
  | { type: 'data'; id?: string; data: unknown }
  | { type: 'started' }
  | { type: 'stopped' }
  | { type: 'state' };

export type Calls = (operation: { op: Operation }) => Observable<{ result: Result }, TRPCClientError>;
export type Link = (runtime: Record<string, never>) => Calls;

/** How values become JSON and back: superjson, or what keeps bytes for a binary frame. */
export interface Transformer {
  serialize(value: unknown): unknown;
  deserialize(value: { json: unknown }): unknown;
}

export function read(transformer: Transformer, value: unknown): unknown {
  return isRecord(value) && 'json' in value ? transformer.deserialize({ json: null, ...value }) : value;
}

/** What a message of the server says: a result, or the error that it stands for. */
export function resultOf(message: Record<string, unknown>, transformer: Transformer): Result | TRPCClientError {
  if ('error' in message) return TRPCClientError.from({ error: read(transformer, message.error) });
  const { result } = message;
  if (!isRecord(result)) return new TRPCClientError('The server does not answer as Parley does.');
  const { type, id, data } = result;
  if (type === 'started' || type === 'stopped') return { type };
  return { type: 'data', ...(typeof id === 'string' && { id }), data: read(transformer, data) };
}
