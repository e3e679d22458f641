import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { Progress } from '@parley/server/rpc/socket/progress';
import { defaultWaits } from '@parley/server/rpc/socket/sweep';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startToy } from './trpc-server.ts';
import { turn, until } from './trpc-until.ts';

const { pingMs, pongWaitMs } = defaultWaits;
afterEach(() => {
  vi.useRealTimers();
});

/** A WebSocket by hand, so that a frame can be sent a piece at a time. */
async function open(url: string) {
  const socket = dial(Number(new URL(url).port), '127.0.0.1');
  let got = '';
  let isClosed = false;
  socket.on('data', (data) => {
    got += data.toString('latin1');
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
  });
  socket.write(
    'GET /trpc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  await until(() => got.includes('\r\n\r\n'));
  return { socket, got: () => got, isClosed: () => isClosed };
}

/** A masked text frame, masked with nothing. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(14);
  header.writeUInt16BE(0x81ff);
  header.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([header, payload]);
}

const recording = frameOf(
  `{"id":1,"method":"mutation","params":{"path":"voice.sendSegment","input":{"json":{"data":"${'A'.repeat(400_000)}"},` +
    '"meta":{"values":{"data":[["custom","bytes"]]}}}}}',
);

describe('a client that sends a recording over a slow line', () => {
  async function uploading() {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    const toy = await startToy();
    const client = await open(toy.ws);
    const [server] = toy.connections;
    if (!server) throw new Error('no connection');
    let sent = 0;
    const send = async (bytes: number): Promise<void> => {
      const read = server.bytesRead;
      client.socket.write(recording.subarray(sent, sent + bytes));
      sent += bytes;
      await until(() => server.bytesRead >= read + Math.min(bytes, recording.length - sent + bytes));
    };
    await send(10_000);
    vi.advanceTimersByTime(pingMs + 1_000);
    await until(() => client.got().includes('PING'));
    return { toy, client, send };
  }

  // Guard: bytes that keep coming are an answer.
  it('is not cut off while it does', async () => {
    const { toy, client, send } = await uploading();
    await using _ = toy;
    for (let piece = 0; piece < 4; piece++) {
      await send(50_000);
      vi.advanceTimersByTime(pongWaitMs - 1_000);
      await turn();
    }
    await send(recording.length);
    await until(() => client.isClosed() || client.got().includes('"id":1'));
    expect(client.got()).toContain('"json":300000');
    client.socket.destroy();
  });

  it('is cut off when nothing more comes', async () => {
    const { toy, client, send } = await uploading();
    await using _ = toy;
    await send(50_000);
    vi.advanceTimersByTime(1_000);
    vi.advanceTimersByTime(pongWaitMs + 1_000);
    await until(client.isClosed);
  });
});

describe('bytes move', () => {
  /** Both ends of a connection; the server's is looked at. */
  async function pair(): Promise<{ server: Socket; client: Socket; [Symbol.asyncDispose](): Promise<void> }> {
    const listener = createServer();
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address();
    const client = dial(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
    const [server]: Socket[] = await once(listener, 'connection');
    if (!server) throw new Error('no connection');
    for (const socket of [server, client]) socket.on('error', () => {});
    return {
      server,
      client,
      async [Symbol.asyncDispose]() {
        server.destroy();
        client.destroy();
        listener.close();
        await once(listener, 'close');
      },
    };
  }

  /** The buffers between both ends are full. */
  async function still(progress: Progress): Promise<void> {
    for (let quiet = 0; quiet < 100; await turn()) quiet = progress.look() ? 0 : quiet + 1;
  }

  it('when some come, each of them once', async () => {
    await using ends = await pair();
    const { server, client } = ends;
    const progress = new Progress(server.resume());
    expect(progress.look()).toBe(false);
    client.write('x');
    await until(() => progress.look());
    expect(progress.look()).toBe(false);
  });

  // Guard: only what has waited counts as taken.
  it('not when some go where nobody may be', async () => {
    await using ends = await pair();
    const progress = new Progress(ends.server);
    progress.look();
    ends.server.write('an event');
    expect(progress.look()).toBe(false);
  });

  // Guard: a long reply is looked into, though it is one write.
  it('while a long reply is taken, and not when its reader stops', async () => {
    await using ends = await pair();
    const { server, client } = ends;
    client.pause();
    const progress = new Progress(server);
    server.write(Buffer.alloc(64 * 1024 * 1024));
    await still(progress);
    let got = 0;
    client.on('data', ({ length }) => {
      got += length;
      if (got > 1024 * 1024) client.pause();
    });
    client.resume();
    await until(() => progress.look());
    expect(server.writableLength).toBeGreaterThan(0);
    await until(() => client.isPaused());
    await still(progress);
    server.write('an event');
    expect(progress.look()).toBe(false);
  });
});
