import { limits } from '@parley/shared/limits';
import { ParleyError } from '@parley/shared/reason';
import { serverTransformer } from '@parley/shared/wire';
import { parseTRPCMessage, type TRPCClientOutgoingMessage } from '@trpc/server/rpc';
import { isAudioProcedure, isMostlyBytes, jsonOf } from '../audio.ts';
import type { Refusal } from './line.ts';
import type { Wire } from './wire.ts';

export interface Received {
  messages: { message: TRPCClientOutgoingMessage; batchIndex: number }[];
  refused: Refusal[];
  /** The frame was not one of tRPC messages at all. */
  isBroken: boolean;
}

const longestId = 128;
/** Refusals are bounded too: a frame of small calls would else be answered with many times its size. */
const mostRefusals = 100;

/** Reads one frame. Whatever is wrong with it is in `refused`; nothing is thrown. */
export function receive(wire: Wire, data: Buffer, isBinary: boolean): Received {
  const isLarge = data.length > limits.messageBytes;
  if (data.length > limits.audioMessageBytes || (isLarge && !isMostlyBytes(jsonOf(data, isBinary))))
    return refuseFrame(tooLarge(data.length));
  let frame: unknown;
  try {
    frame = wire.decode(data, isBinary);
  } catch (cause) {
    return refuseFrame(cause instanceof ParleyError ? cause : new ParleyError('INVALID_MESSAGE', { cause }), true);
  }
  const raws: unknown[] = Array.isArray(frame) ? frame : [frame];
  const requests = raws.filter((raw) => fieldOf(raw, 'method') !== 'subscription.stop');
  if (isLarge && !requests.every((raw) => isAudioProcedure(fieldOf(fieldOf(raw, 'params'), 'path'))))
    return { messages: [], refused: refusals(requests, tooLarge(data.length)), isBroken: false };
  if (requests.length <= Math.min(limits.batchCalls, limits.socketSubscriptions)) return parse(raws, new Set());
  const { over, refused } = excess(requests);
  const received = parse(raws, over);
  return received.isBroken ? received : { ...received, refused: [...received.refused, ...refused] };
}

/**
 * Calls beyond a batch, and subscriptions beyond what a socket may hold. Subscriptions are no calls of a batch: a client that
 * connects again makes all it had in one frame, and cannot make them otherwise.
 */
function excess(requests: unknown[]): { over: ReadonlySet<unknown>; refused: Refusal[] } {
  const isSubscription = (raw: unknown): boolean => fieldOf(raw, 'method') === 'subscription';
  const calls = requests.filter((raw) => !isSubscription(raw));
  const tooManyCalls = calls.length > limits.batchCalls ? calls : [];
  const tooManySubscriptions = requests.filter(isSubscription).slice(limits.socketSubscriptions);
  const details = { calls: calls.length, most: limits.batchCalls };
  const refused = [
    ...refusals(tooManyCalls, new ParleyError('INVALID_INPUT', { details })),
    ...refusals(tooManySubscriptions, new ParleyError('TOO_MANY_SUBSCRIPTIONS')),
  ];
  return { over: new Set([...tooManyCalls, ...tooManySubscriptions]), refused: refused.slice(0, mostRefusals) };
}

function parse(raws: unknown[], over: ReadonlySet<unknown>): Received {
  const received: Received = { messages: [], refused: [], isBroken: false };
  for (const [batchIndex, raw] of raws.entries()) {
    if (over.has(raw)) continue;
    try {
      const message = parseTRPCMessage(raw, serverTransformer);
      if (typeof message.id === 'string' && message.id.length > longestId) throw new RangeError('the id is too long');
      received.messages.push({ message, batchIndex });
    } catch (cause) {
      const id = idOf(raw);
      // An input that cannot be read concerns its call alone, and its call can be told.
      if (!(cause instanceof ParleyError) || id === null)
        return refuseFrame(new ParleyError('INVALID_MESSAGE', { cause }), true);
      received.refused.push(refusal(raw, cause));
    }
  }
  return received;
}

function tooLarge(size: number): ParleyError {
  return new ParleyError('PAYLOAD_TOO_LARGE', { details: { bytes: size, most: limits.messageBytes } });
}

function refuseFrame(error: ParleyError, isBroken = false): Received {
  return { messages: [], refused: [{ id: null, error }], isBroken };
}

function refusals(raws: unknown[], error: ParleyError): Refusal[] {
  if (raws.length === 0) return [];
  const known = raws.filter((raw) => idOf(raw) !== null).slice(0, mostRefusals);
  return known.length > 0 ? known.map((raw) => refusal(raw, error)) : [{ id: null, error }];
}

function refusal(raw: unknown, error: ParleyError): Refusal {
  const path = fieldOf(fieldOf(raw, 'params'), 'path');
  return {
    id: idOf(raw),
    jsonrpc: fieldOf(raw, 'jsonrpc') === '2.0' ? '2.0' : undefined,
    path: typeof path === 'string' && path.length <= longestId ? path : undefined,
    error,
  };
}

function idOf(raw: unknown): Refusal['id'] {
  const id = fieldOf(raw, 'id');
  return typeof id === 'number' || (typeof id === 'string' && id.length <= longestId) ? id : null;
}

function fieldOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}
