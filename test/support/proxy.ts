import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { setTimeout as pause, setImmediate as tick } from 'node:timers/promises';

/** `up` is from the client to the server. */
export type Direction = 'up' | 'down';

export interface FaultyProxy {
  readonly port: number;
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Connections that are open now, and how many there have been. */
  readonly open: number;
  readonly accepted: number;
  /** Bytes that have been passed on. */
  readonly bytes: Readonly<Record<Direction, number>>;
  /** Milliseconds that every piece of data is late. */
  latency: number;
  /** Bytes in one write: 1 sends byte by byte. Undefined passes on what comes. */
  pieceBytes: number | undefined;
  /** New connections are reset at once. */
  refuses: boolean;
  /** Resets all connections, on both sides. What was on the way is lost. */
  cut(): void;
  /** Passes nothing on, in one direction or both, and says nothing about it: connections stay open. */
  stall(direction?: Direction): void;
  /** Passes on what was held, and what comes. */
  resume(): void;
  /** Resets the connection that first passes on this many bytes from now on, once, with its next byte. */
  resetAfter(direction: Direction, bytes: number): void;
  /** Resolves when there have been this many connections. */
  connection(count: number): Promise<void>;
  close(): Promise<void>;
}

/** A TCP proxy on a port of its own, for all that can happen to a connection. `target` is a port on this machine, or a URL. */
export async function startProxy(target: number | string): Promise<FaultyProxy> {
  const to = typeof target === 'number' ? { host: '127.0.0.1', port: target } : addressOf(target);
  const pairs = new Set<{ client: Socket; server: Socket }>();
  const stalled = new Set<Direction>();
  const bytes = { up: 0, down: 0 };
  const waiting = new Set<() => void>();
  let reset: { direction: Direction; bytes: number } | undefined;
  let released = Promise.withResolvers<void>();
  let accepted = 0;

  async function relay(from: Socket, into: Socket, direction: Direction): Promise<void> {
    let counting: typeof reset;
    let passed = 0;
    for await (const data of from as AsyncIterable<Buffer>) {
      if (proxy.latency > 0) await pause(proxy.latency);
      const size = proxy.pieceBytes ?? data.length;
      for (let at = 0; at < data.length; at += size) {
        while (stalled.has(direction)) await released.promise;
        if (counting !== reset) {
          counting = reset;
          passed = 0;
        }
        const left = counting?.direction === direction ? counting.bytes - passed : Number.POSITIVE_INFINITY;
        const piece = data.subarray(at, at + Math.min(size, left));
        passed += piece.length;
        bytes[direction] += piece.length;
        const roomy = into.write(piece);
        if (piece.length === left) {
          reset = undefined;
          from.resetAndDestroy();
          into.resetAndDestroy();
          return;
        }
        if (!roomy) await Promise.race([once(into, 'drain'), once(into, 'close')]);
        else if (proxy.pieceBytes !== undefined) await tick();
      }
    }
    into.end();
  }

  const listener = createServer({ noDelay: true }, (client) => {
    accepted++;
    for (const look of [...waiting]) look();
    if (proxy.refuses) {
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const server = dial({ ...to, noDelay: true });
    const pair = { client, server };
    pairs.add(pair);
    const over = (): void => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', over).on('close', over);
    relay(client, server, 'up').catch(over);
    relay(server, client, 'down').catch(over);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');

  const proxy: FaultyProxy = {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    get open() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    bytes,
    latency: 0,
    pieceBytes: undefined,
    refuses: false,
    cut() {
      for (const { client, server } of pairs) {
        client.resetAndDestroy();
        server.resetAndDestroy();
      }
    },
    stall(direction) {
      for (const one of direction ? [direction] : (['up', 'down'] as const)) stalled.add(one);
    },
    resume() {
      stalled.clear();
      released.resolve();
      released = Promise.withResolvers<void>();
    },
    resetAfter(direction, count) {
      reset = { direction, bytes: count };
    },
    connection(count) {
      return new Promise((resolve) => {
        const look = (): void => {
          if (accepted < count) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    },
    async close() {
      proxy.cut();
      proxy.resume();
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
  return proxy;
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}
