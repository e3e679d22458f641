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
  const calls = raws.filter((raw) => fieldOf(raw, 'method') !== 'subscription.stop');
  if (calls.length > limits.batchCalls) {
    const error = new ParleyError('INVALID_INPUT', { details: { calls: calls.length, most: limits.batchCalls } });
    return refuseCalls(calls, error);
  }
  if (isLarge && !calls.every((raw) => isAudioProcedure(fieldOf(fieldOf(raw, 'params'), 'path'))))
    return refuseCalls(calls, tooLarge(data.length));
  return parse(raws);
}

function parse(raws: unknown[]): Received {
  const received: Received = { messages: [], refused: [], isBroken: false };
  for (const [batchIndex, raw] of raws.entries()) {
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

function refuseCalls(calls: unknown[], error: ParleyError): Received {
  const known = calls.filter((raw) => idOf(raw) !== null).slice(0, mostRefusals);
  if (known.length === 0) return refuseFrame(error);
  return { messages: [], refused: known.map((raw) => refusal(raw, error)), isBroken: false };
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
