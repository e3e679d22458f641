import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectionState, Transport } from '@parley/client/connection/link';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { parleyOf } from '../support/parley.ts';
import { type FaultyProxy, startProxy } from '../support/proxy.ts';

let app: App;
let proxy: FaultyProxy;
beforeAll(async () => {
  app = await startApp();
});
afterAll(async () => {
  await app?.stop();
});
beforeEach(async () => {
  proxy = await startProxy(app.url);
});
afterEach(async () => {
  await proxy.close();
});

const heartbeatMs = 200;

describe.each<Transport>(['binary', 'websocket'])('over %s', (transport) => {
  // Guard: why a connection was given up is said, and goes on being said until there is another.
  test('a network that swallows everything is told of, until there is a connection again', async () => {
    const states: ConnectionState[] = [];
    const waiting = new Set<() => void>();
    const stateThat = (fits: (state: ConnectionState) => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!states.some(fits)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    const parley = await parleyOf(app, 'ann', {
      transport,
      url: proxy.url,
      heartbeatMs,
      onState(state) {
        states.push(state);
        for (const look of [...waiting]) look();
      },
    });
    const conversation = await parley.conversations.create();
    const { ready, leave } = conversation.listen({ event() {}, end() {} });
    await ready;
    const before = proxy.accepted;
    proxy.stall();
    states.length = 0;
    await stateThat(({ error }) => error !== undefined);
    await proxy.connection(before + 1);
    expect(parley.connection.get()).toMatchObject({ state: 'connecting', error: { reason: 'UNAVAILABLE' } });
    proxy.resume();
    await stateThat(({ state }) => state === 'open');
    expect(states.every(({ state, error }) => (state === 'open') === (error === undefined))).toBe(true);
    leave();
  });

  // Guard: a PONG that is behind what is being sent is waited for.
  test('a recording that is long on its way keeps its connection', async () => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url, heartbeatMs });
    await parley.trpc.system.ping.query();
    const { accepted } = proxy;
    proxy.stall('up');
    const data = new Uint8Array(1024 * 1024);
    const uploading = parley.trpc.attachments.upload.mutate({ filename: 'a.bin', data });
    // Longer than a connection that says nothing has.
    await pause(heartbeatMs * 4);
    proxy.resume();
    expect((await uploading).size).toBe(data.length);
    expect(proxy.accepted).toBe(accepted);
  });
});
