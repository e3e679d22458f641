import { connect } from 'node:net';
import type { Connection } from './protocol.ts';
import { masked, requestOf } from './subscriber.ts';

/** A connection that keeps every byte that came of it. */
export interface Tap {
  /** Resolves when these bytes have come, as text. */
  until(text: string): Promise<void>;
  /** All that has come behind the response's head. */
  body(): Buffer;
  close(): void;
}

const most = 64 * 1024 * 1024;

/** Connects and subscribes, as a `Subscriber` does, and resolves when the subscription has begun. */
export async function openTap(connection: Connection): Promise<Tap> {
  const pieces: Buffer[] = [];
  let length = 0;
  let failure: Error | undefined;
  let look: (newest: Buffer) => void = () => {};
  const nothing = Buffer.alloc(0);
  const socket = connect({ port: connection.port, host: '127.0.0.1', noDelay: true });
  const end = (error: Error): void => {
    failure ??= error;
    look(nothing);
  };
  socket.on('error', end);
  socket.on('close', () => end(new Error('the server closed a connection')));
  socket.on('data', (piece: Buffer) => {
    pieces.push(piece);
    length += piece.length;
    if (length > most) socket.destroy();
    look(piece);
  });
  const until = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      let end = nothing;
      look = (newest) => {
        // It may lie across the two.
        const found = Buffer.concat([end, newest]);
        end = found.subarray(Math.max(0, found.length - text.length));
        if (found.includes(text)) resolve();
        else if (failure) reject(failure);
      };
      look(Buffer.concat(pieces));
    });
  socket.write(requestOf(connection));
  await until('\r\n\r\n');
  if (connection.message !== undefined) socket.write(masked(connection.message));
  await until(connection.kind === 'sse' ? 'event: connected' : '"type":"started"');
  return {
    until,
    body() {
      const received = Buffer.concat(pieces);
      return received.subarray(received.indexOf('\r\n\r\n') + 4);
    },
    close: () => socket.destroy(),
  };
}

export interface AudioBytes {
  events: number;
  /** Bytes of the sound itself, and of the messages that it came in with all that frames them. */
  raw: number;
  wire: number;
}

/** What the sound among all that came over a connection has cost there. */
export function audioBytes(kind: Connection['kind'], body: Buffer): AudioBytes {
  const found: AudioBytes = { events: 0, raw: 0, wire: 0 };
  for (const { wire, payload } of kind === 'ws' ? frames(body) : chunks(body)) {
    const isBinary = payload[0] === 0;
    const json = isBinary ? payload.toString('utf8', 4, 4 + payload.readUInt32BE(0)) : payload.toString();
    const events = [...json.matchAll(/"type":"agent\.audio".*?"data":(?:\{"\$bytes":(\d+)\}|"([^"]*)")/g)];
    if (events.length === 0) continue;
    found.wire += wire;
    found.events += events.length;
    for (const [, bytes, base64 = ''] of events) found.raw += Number(bytes ?? Buffer.from(base64, 'base64').length);
  }
  return found;
}

/** A message, and how many bytes it took with what frames it. */
interface Message {
  payload: Buffer;
  wire: number;
}

/** Unfragmented WebSocket frames of a server (RFC 6455, section 5.2). */
function* frames(body: Buffer): Generator<Message> {
  for (let at = 0; at + 2 <= body.length; ) {
    const short = (body[at + 1] ?? 0) & 127;
    const header = short < 126 ? 2 : short === 126 ? 4 : 10;
    const length = short < 126 ? short : short === 126 ? body.readUInt16BE(at + 2) : body.readUInt32BE(at + 6);
    yield { payload: body.subarray(at + header, at + header + length), wire: header + length };
    at += header + length;
  }
}

/** Chunks of a chunked body (RFC 9112, section 7.1). */
function* chunks(body: Buffer): Generator<Message> {
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf('\r\n', at);
    if (end < 0) return;
    const length = Number.parseInt(body.toString('latin1', at, end), 16);
    yield { payload: body.subarray(end + 2, end + 2 + length), wire: end + 2 + length + 2 - at };
    at = end + 2 + length + 2;
  }
}
