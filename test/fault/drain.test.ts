import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createParley } from '@parley/client/connect';
import type { Result } from '@parley/client/native/operation';
import { createWSClient } from '@parley/client/native/trpc-websocket';
import { newId } from '@parley/shared/id';
import { isTerminal } from '@parley/shared/terminal';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/parley.ts';
import { answer, gate } from '../support/provider.ts';
import { rawSocket } from '../support/raw-socket.ts';
import type { Replica } from '../support/replica.ts';
import { sharedRedis } from '../support/shared-redis.ts';
import { describe as describeFailure, openSocket } from '../support/stock.ts';
import { type Crew, type Sending, startCrew } from './crew.ts';

// Property 22: SIGTERM.

let crew: Crew;
beforeAll(async () => {
  crew = await startCrew({ redisUrl: sharedRedis().url, model: 'echo:8:5' });
});
afterAll(() => crew.stop());

describe('a replica that is told to leave', () => {
  // Guard: `speaking` refuses while draining; `drain` waits for the runner.
  it('begins no turn, finishes the one that runs, and sends its subscribers elsewhere', async () => {
    const [leaving, staying] = await Promise.all([crew.start(), crew.start()]);
    const conversationId = await crew.conversation(leaving);
    const watcher = await crew.watch(conversationId, [leaving, staying]);
    const hold = gate();
    crew.provider.script(answer('I will ', hold, 'finish.'));
    const message = crew.message(conversationId);
    await message.to(leaving);
    await watcher.find((event) => event.type === 'agent.delta');
    const gone = leaving.terminate();
    const late = crew.message(await crew.conversation(staying), 'too late');
    await expect.poll(() => late.attempt(leaving), { timeout: 20_000 }).toBe('DRAINING');
    expect(await late.attempt(staying)).toBe('new');
    expect((await fetch(`${leaving.url}/readyz`)).status).toBe(503);
    expect((await fetch(`${leaving.url}/healthz`)).status).toBe(200);
    hold.release();
    expect(await gone).toBe(0);
    const end = await watcher.end(message.turnId);
    expect(end.type).toBe('turn.completed');
    const next = crew.message(conversationId, 'still there?');
    await next.to(staying);
    await watcher.end(next.turnId);
    await crew.judge();
  });

  // Guard: `redirect` when the drain begins, `admit` while it goes on, and `connection: close` of what is answered over HTTP.
  it('lets go of its clients at once, so that what they send goes to another', async () => {
    const [leaving, staying] = await Promise.all([crew.start(), crew.start()]);
    const address = await startAddress(leaving);
    const token = await crew.token('ada');
    const clients = (['binary', 'http'] as const).map((transport) =>
      createParley({ url: address.url, token, transport }),
    );
    const stock = openSocket(`${address.url.replace('http:', 'ws:')}/trpc`, { token });
    const hold = gate();
    try {
      const running = crew.message(await crew.conversation(leaving));
      const watcher = await crew.watch(running.conversationId, [leaving, staying]);
      crew.provider.script(answer('I am still ', hold, 'talking.'));
      await running.to(leaving);
      await watcher.find((event) => event.type === 'agent.delta');
      const conversations = await Promise.all(clients.map((parley) => parley.conversations.create()));
      const { id: conversationId } = await stock.client.conversations.create.mutate({});
      address.leadsTo(staying);
      const gone = leaving.terminate();
      await expect.poll(async () => (await fetch(`${leaving.url}/readyz`)).status).toBe(503);
      await Promise.all(conversations.map((conversation) => conversation.send('is anybody there?').accepted));
      const message = { conversationId, turnId: newId(), parts: [{ type: 'text' as const, text: 'and here?' }] };
      for (let tries = 0; ; tries++) {
        const told = await stock.client.turns.send.mutate(message).then(
          () => 'sent',
          (error: unknown) => describeFailure(error).reason,
        );
        if (told === 'sent') break;
        expect(told).toBe('DRAINING');
        expect(tries).toBeLessThan(100);
        await pause(50);
      }
      expect((await fetch(`${leaving.url}/trpc/system.ping`)).headers.get('connection')).toBe('close');
      hold.release();
      expect(await gone).toBe(0);
      expect((await watcher.end(running.turnId)).type).toBe('turn.completed');
      await crew.judge([running.conversationId]);
    } finally {
      hold.release();
      await Promise.all([stock.close(), ...clients.map((parley) => parley.close())]);
      await address.close();
    }
  });

  // Guard: those who find nowhere else to go stay until the drain is over, and nobody else comes.
  it('tells the rest of what runs to those who have nowhere else to go', async () => {
    const alone = await crew.start();
    const parley = createParley({ url: alone.url, token: await crew.token('ada') });
    const hold = gate();
    try {
      const message = crew.message(await crew.conversation(alone));
      const watcher = await crew.watch(message.conversationId, [alone]);
      const seen: string[] = [];
      const following = until(parley.conversation(message.conversationId).events(), ({ data }) => {
        seen.push(data.type);
        return isTerminal(data);
      });
      crew.provider.script(answer('I will ', hold, 'finish.'));
      await message.to(alone);
      await watcher.find((event) => event.type === 'agent.delta');
      await expect.poll(() => seen).toContain('agent.delta');
      const gone = alone.terminate();
      await expect.poll(() => watcher.connections).toBeGreaterThan(2);
      await expect(rawSocket(alone.ws)).rejects.toThrow('503');
      hold.release();
      const followed = await following;
      expect((await watcher.end(message.turnId)).type).toBe('turn.completed');
      const ids = [followed, watcher.events].map((events) =>
        events.filter(({ data }) => 'turnId' in data && data.turnId === message.turnId).map(({ id }) => id),
      );
      expect(ids[0]).toEqual(ids[1]);
      expect(await gone).toBe(0);
      await crew.judge([message.conversationId]);
    } finally {
      hold.release();
      await parley.close();
    }
  });

  // Guard: in the phone's client, that only the newest connection begins the count of tries anew, and that it says when it has
  // none.
  it('is asked less and less often by a client whose old connection goes on', async () => {
    const alone = await crew.start();
    const tries: number[] = [];
    const states: string[] = [];
    let patience = 20;
    const triesAgain = (): Promise<void> => {
      const before = tries.length;
      return expect.poll(() => tries.length).toBeGreaterThan(before);
    };
    const token = await crew.token('ada');
    const phone = createWSClient({
      url: alone.ws,
      connectionParams: async () => ({ token }),
      retryDelayMs(attempt) {
        tries.push(attempt);
        return patience;
      },
      experimental_encoder: { encode: (value) => JSON.stringify(value), decode: (data) => JSON.parse(String(data)) },
    });
    phone.connectionState.subscribe({ next: ({ state }) => void states.push(state) });
    const holds = [gate(), gate()] as const;
    try {
      const message = crew.message(await crew.conversation(alone));
      const { conversationId } = message;
      const seen: string[] = [];
      const op = { id: 1, type: 'subscription', path: 'conversations.events', signal: null, context: {} } as const;
      const observer = {
        next: ({ result }: { result: Result }) => void seen.push(JSON.stringify(result)),
        error: () => undefined,
        complete: () => undefined,
      };
      const transformer = {
        serialize: (json: unknown) => ({ json }),
        deserialize: ({ json }: { json: unknown }) => json,
      };
      phone.request({ ...op, input: { conversationId } }, transformer, observer);
      crew.provider.script(answer('I will ', holds[0], 'surely ', holds[1], 'finish.'));
      await message.to(alone);
      const told = (text: string) => expect.poll(() => seen.some((each) => each.includes(text))).toBe(true);
      await told('I will');
      const gone = alone.terminate();
      await triesAgain();
      holds[0].release();
      await told('surely');
      await triesAgain();
      expect(tries).toEqual(tries.map((_, i) => i));
      expect(states.at(-1)).toBe('pending');
      // The next try is far off when the old connection ends, and nobody takes that for being connected.
      patience = 600_000;
      await triesAgain();
      holds[1].release();
      await told('turn.completed');
      expect(await gone).toBe(0);
      await expect.poll(() => states.at(-1)).toBe('connecting');
    } finally {
      for (const hold of holds) hold.release();
      await phone.close();
    }
  });

  // Guards: `leave` after DRAIN_MS; the lease is given back at once; who leaves starts nothing that waited.
  it('hands over what has said nothing and what waits, and keeps what was said of what does not end', async () => {
    const leaving = await crew.start({ DRAIN_MS: '300', LEASE_MS: '60000' });
    const staying = await crew.start();
    const silent = await crew.conversation(leaving);
    const talking = await crew.conversation(leaving);
    const watchers = await Promise.all([silent, talking].map((id) => crew.watch(id, [leaving, staying])));
    const messages = [crew.message(silent, 'say nothing yet'), crew.message(talking, 'begin')];
    crew.provider.script(answer(gate()), answer('I began. ', gate()));
    const asked = crew.provider.requests.length;
    for (const [i, message] of messages.entries()) {
      await message.to(leaving);
      // Each gets its own script: those are handed out in the order in which the model is asked.
      await expect.poll(() => crew.provider.requests.length, { timeout: 10_000 }).toBe(asked + i + 1);
    }
    await watchers[1]?.find((event) => event.type === 'agent.delta');
    const waiting = crew.message(talking, 'and then', { onBusy: 'queue' });
    await waiting.to(leaving);
    // Whoever asks next is held until the replica has left.
    const late = gate();
    crew.provider.script(answer('Late, ', late, 'but whole.'));
    expect(await leaving.terminate()).toBe(0);
    late.release();
    expect(await watchers[1]?.end(waiting.turnId)).toMatchObject({ type: 'turn.completed' });
    const ends = await Promise.all(watchers.map((watcher, i) => watcher.end(messages[i]?.turnId ?? '')));
    expect(ends[0]?.type).toBe('turn.completed');
    expect(ends[1]).toMatchObject({ type: 'turn.failed', code: 'OWNER_LOST', retryable: true });
    await crew.judge([silent, talking]);
  });

  // Guard: both of the above, under load.
  it('one after the other, under load, fails no send after the retry of its client', { timeout: 90_000 }, async () => {
    const replicas: Replica[] = await Promise.all([crew.start(), crew.start()]);
    const conversations = await Promise.all(Array.from({ length: 6 }, () => crew.conversation(replicas[0] ?? fail())));
    const watchers = await Promise.all(conversations.map((id) => crew.watch(id, replicas)));
    let rolling = true;
    const sent: Sending[] = [];
    const answers = new Set<string>();
    const load = conversations.map(async (id, i) => {
      for (let n = 0; rolling; n++) {
        const message = crew.message(id, `load ${n}`, { onBusy: 'queue' });
        sent.push(message);
        // A client that is refused or cut off tries the next replica, with the same id.
        for (let tries = 0; !message.acknowledged; tries++) {
          const living = replicas.filter((replica) => replica.alive());
          answers.add(await message.attempt(living[(i + tries) % living.length] ?? fail()));
          expect(tries).toBeLessThan(40);
        }
        await watchers[i]?.end(message.turnId);
      }
    });
    for (let i = 0; i < 2; i++) {
      const next = await crew.start();
      replicas.push(next);
      expect(await replicas[i]?.terminate()).toBe(0);
    }
    rolling = false;
    await Promise.all(load);
    expect(
      [...answers].filter((one) => !['new', 'duplicate', 'DRAINING', 'lost', 'UNAVAILABLE'].includes(one)),
    ).toEqual([]);
    expect(sent.every((message) => message.acknowledged)).toBe(true);
    await crew.judge(conversations);
  });
});

/** One address before several replicas: a connection goes where the address leads when it comes. */
async function startAddress(first: Replica) {
  let to = first;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(new URL(to.url).port), '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
    }
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = server.address();
  if (at === null || typeof at === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${at.port}`,
    leadsTo(replica: Replica) {
      to = replica;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function fail(): never {
  throw new Error('no replica lives');
}
