import { decodeFrame, encodeFrame, frameTransformer } from '@parley/shared/frame';
import { ParleyError } from '@parley/shared/reason';
import { serverTransformer } from '@parley/shared/wire';
import type { TRPCReconnectNotification, TRPCResponseMessage } from '@trpc/server/rpc';

/** How messages look on one path. Both read input with the same strictness. */
export interface Wire {
  readonly isBinary: boolean;
  /** @throws ParleyError INVALID_MESSAGE */
  decode(data: Buffer, isBinary: boolean): unknown;
  encode(message: TRPCResponseMessage | TRPCReconnectNotification): string | Uint8Array;
}

const jsonWire: Wire = {
  isBinary: false,
  decode(data, isBinary) {
    if (isBinary) throw new ParleyError('INVALID_MESSAGE');
    return decodeFrame(data.toString('utf8'));
  },
  encode: (message) => JSON.stringify(transform(message, serverTransformer.output.serialize)),
};

const binaryWire: Wire = {
  isBinary: true,
  decode: (data, isBinary) => decodeFrame(isBinary ? data : data.toString('utf8')),
  encode: (message) => encodeFrame(transform(message, frameTransformer.serialize)),
};

function transform(
  message: TRPCResponseMessage | TRPCReconnectNotification,
  serialize: (value: unknown) => unknown,
): unknown {
  if ('error' in message) return { ...message, error: serialize(message.error) };
  if ('result' in message && 'data' in message.result)
    return { ...message, result: { ...message.result, data: serialize(message.result.data) } };
  return message;
}

/** The paths that a WebSocket can be opened on. */
export const wires: ReadonlyMap<string, Wire> = new Map([
  ['/trpc', jsonWire],
  ['/trpc/binary', binaryWire],
]);
