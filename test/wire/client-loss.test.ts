import type { Parley } from '@parley/client/connect';
import type { Transport } from '@parley/client/connection/link';
import type { Event, Tracked } from '@parley/shared/event';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { collect, countOf, parleyOf, textOf, until } from '../support/parley.ts';
import { answer, gate, refusal } from '../support/provider.ts';
import { type FaultyProxy, startProxy } from '../support/proxy.ts';
import { watch } from '../support/watch.ts';

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

const isEnd = ({ data }: Tracked) => data.type === 'turn.completed';

function ids(seen: readonly Tracked[]): string[] {
  return seen.map(({ id }) => id);
}

/** A conversation, watched directly by a stock client: what there was to be seen. */
async function begin(parley: Parley) {
  const conversation = await parley.conversations.create();
  const direct = watch(await app.trpc('ann'), { conversationId: conversation.id });
  await direct.started;
  return { conversation, direct };
}

/** An answer that goes on one piece at a time. */
function script(pieces: number) {
  const holds = Array.from({ length: pieces }, gate);
  app.provider.script(answer(...holds.flatMap((hold, i) => [hold, `piece ${i}. `])));
  const whole = holds.map((_, i) => `piece ${i}. `).join('');
  return { holds, whole };
}

describe.each<Transport>(['binary', 'websocket', 'http'])('over %s', (transport) => {
  test('each event comes once, however often the connection is cut', async () => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const { conversation, direct } = await begin(parley);
    const { holds, whole } = script(5);
    const following = until(conversation.events(), isEnd);
    const turn = conversation.send('go');
    const iterating = collect(turn);
    await turn.accepted;
    for (const [i, hold] of holds.entries()) {
      // Cut before a piece, while it is on its way, and after it.
      if (i % 3 === 0) proxy.cut();
      hold.release();
      if (i % 3 === 1) proxy.cut();
      await direct.find(({ type, ...event }) => type === 'agent.delta' && 'text' in event && textUpTo(direct.seen, i));
      if (i % 3 === 2) proxy.cut();
    }
    const seen = await following;
    const events = await iterating;
    await direct.end(turn.id);
    expect(ids(seen)).toEqual(ids(direct.seen.filter(({ id }) => id <= (seen.at(-1)?.id ?? ''))));
    expect(textOf(events)).toBe(whole);
    expect(events.map(({ type }) => type)).toEqual(direct.seen.map(({ data }) => data.type));
    direct.stop();
  });

  // Guard: a follow that was given no place to begin asks for one before it subscribes (`#locate`).
  test('what happens while a connection is away that has delivered nothing comes when it is back', async () => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const { conversation, direct } = await begin(parley);
    await expect.poll(() => app.server.running.app.feed.size).toBe(1);
    const following = until(conversation.events(), isEnd);
    await expect.poll(() => app.server.running.app.feed.size).toBe(2);
    await away(async () => {
      const other = await parleyOf(app, 'ann', { transport });
      await direct.end((await other.conversation(conversation.id).post('from elsewhere')).turnId);
    });
    expect(ids(await following)).toEqual(ids(direct.seen));
    direct.stop();
  });

  test('a connection that delivers byte by byte delivers the same', async () => {
    proxy.pieceBytes = 1;
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const conversation = await parley.conversations.create();
    const events = await collect(conversation.send('你好, byte by byte'));
    expect(textOf(events)).toBe('You said: 你好, byte by byte. 1 2 3');
    expect(events.at(-1)?.type).toBe('turn.completed');
  });

  test.each([900, 2_000, 3_500])('a connection that is reset after %i bytes is resumed', async (bytes) => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const { conversation, direct } = await begin(parley);
    const { holds, whole } = script(12);
    const turn = conversation.send('go');
    const iterating = collect(turn);
    await turn.accepted;
    proxy.resetAfter('down', bytes);
    for (const hold of holds) hold.release();
    expect(textOf(await iterating)).toBe(whole);
    expect(countOf(await iterating, 'turn.completed')).toBe(1);
    direct.stop();
  });

  test('a send whose answer was lost is made again, and is one turn', async () => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const { conversation, direct } = await begin(parley);
    await conversation.send('first').text();
    const asked = app.provider.requests.length;
    const hold = gate();
    app.provider.script(answer('The ', hold, 'answer.'));
    proxy.stall('down');
    const turn = conversation.send('second');
    const iterating = collect(turn);
    // The model has been asked, so the turn is stored; nobody has told the client.
    await app.provider.request(asked);
    proxy.cut();
    proxy.resume();
    expect(await turn.accepted).toMatchObject({ turnId: turn.id, duplicate: true });
    hold.release();
    const events = await iterating;
    expect([countOf(events, 'turn.started'), textOf(events)]).toEqual([1, 'The answer.']);
    expect(app.provider.requests.length).toBe(asked + 1);
    const stored = await parley.trpc.conversations.messages.query({ conversationId: conversation.id });
    expect(stored.total).toBe(4);
    direct.stop();
  });

  test('a retry whose answer was lost is made again, and is one turn', async () => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const { conversation, direct } = await begin(parley);
    app.provider.script(refusal(400));
    await conversation.post('first');
    const failed = await direct.first('turn.failed');
    const asked = app.provider.requests.length;
    proxy.stall('down');
    const retrying = conversation.retry(failed.turnId);
    await app.provider.request(asked);
    proxy.cut();
    proxy.resume();
    const turnId = await retrying;
    expect((await direct.end(turnId)).type).toBe('turn.completed');
    expect(direct.all('turn.started')).toHaveLength(2);
    expect(app.provider.requests.length).toBe(asked + 1);
    direct.stop();
  });

  test('a send waits for a server that is not there yet', async () => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const conversation = await parley.conversations.create();
    proxy.refuses = true;
    proxy.cut();
    const turn = conversation.send('anybody?');
    await proxy.connection(proxy.accepted + 2);
    proxy.refuses = false;
    expect(await turn.text()).toBe('You said: anybody?. 1 2 3');
  });

  // Guard: what a client sends at once goes in frames that a server takes.
  test('a dozen conversations are followed on when the connection is cut, and more calls than a batch made at once', async () => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const made = await Promise.all(Array.from({ length: 12 }, () => parley.conversations.create()));
    const ends: unknown[] = [];
    const titles = made.map((conversation) => {
      const renamed = Promise.withResolvers<void>();
      const { ready } = conversation.listen({
        event: ({ data }) => data.type === 'conversation.updated' && renamed.resolve(),
        end: (failure) => ends.push(failure),
      });
      return { ready, renamed: renamed.promise };
    });
    await Promise.all(titles.map(({ ready }) => ready));
    proxy.refuses = true;
    proxy.cut();
    // They pile up until there is a connection.
    const asked = Promise.all(Array.from({ length: 25 }, () => parley.conversations.list({ limit: 1 })));
    await proxy.connection(proxy.accepted + 1);
    proxy.refuses = false;
    expect((await asked).map(({ items }) => items.length)).toEqual(Array(25).fill(1));
    const client = await app.http('ann');
    for (const { id } of made) await client.conversations.rename.mutate({ conversationId: id, title: 'still here' });
    await Promise.all(titles.map(({ renamed }) => renamed));
    expect(ends).toEqual([]);
    const raw = Array.from({ length: 25 }, () => parley.trpc.system.ping.query());
    expect((await Promise.allSettled(raw)).map(({ status }) => status)).toEqual(Array(25).fill('fulfilled'));
  });

  test('what a gap swallowed of a running answer comes from its snapshot', async () => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const { conversation, direct } = await begin(parley);
    const { holds, whole } = script(4);
    const following = until(conversation.events(), ({ data }) => data.type === 'gap');
    const turn = conversation.send('go');
    const events: Event[] = [];
    const seenFirst = Promise.withResolvers<void>();
    const iterating = collect(turn, (event) => {
      events.push(event);
      if (event.type === 'agent.delta') seenFirst.resolve();
    });
    holds[0]?.release();
    await seenFirst.promise;
    await away(async () => {
      holds[1]?.release();
      await direct.find(() => textUpTo(direct.seen, 1));
      await app.server.running.app.turns.log.forget(conversation.id);
      holds[2]?.release();
      const client = await app.http('ann');
      await expect.poll(async () => (await client.turns.get.query({ turnId: turn.id })).text).toContain('piece 2');
    });
    await following;
    holds[3]?.release();
    expect(textOf(await iterating)).toBe(whole);
    expect(countOf(events, 'turn.completed')).toBe(1);
    direct.stop();
  });

  test('a turn that ended behind a gap is told of as it is stored', async () => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
    const { conversation, direct } = await begin(parley);
    const { holds, whole } = script(3);
    const turn = conversation.send('go');
    const seenFirst = Promise.withResolvers<void>();
    const iterating = collect(turn, ({ type }) => type === 'agent.delta' && seenFirst.resolve());
    holds[0]?.release();
    await seenFirst.promise;
    await away(async () => {
      for (const hold of holds) hold.release();
      await direct.end(turn.id);
      await app.server.running.app.turns.log.forget(conversation.id);
    });
    const events = await iterating;
    expect(textOf(events)).toBe(whole);
    const kinds = events.map(({ type }) => type);
    expect([kinds[0], ...kinds.slice(-3)]).toEqual(['turn.started', 'message.saved', 'turn.metrics', 'turn.completed']);
    expect(await turn.text()).toBe(whole);
    direct.stop();
  });
});

/** Whether all pieces up to this one have been seen. */
function textUpTo(seen: readonly Tracked[], piece: number): boolean {
  return textOf(seen.map(({ data }) => data)).includes(`piece ${piece}. `);
}

/** Does something while the client cannot reach the server. */
async function away(task: () => Promise<void>): Promise<void> {
  proxy.refuses = true;
  proxy.cut();
  await task();
  proxy.refuses = false;
}

test.each<Transport>(['binary', 'websocket'])(
  'a dead %s connection that says nothing is found out',
  async (transport) => {
    const parley = await parleyOf(app, 'ann', { transport, url: proxy.url, heartbeatMs: 400 });
    const { conversation, direct } = await begin(parley);
    const { holds, whole } = script(2);
    const turn = conversation.send('go');
    const iterating = collect(turn);
    holds[0]?.release();
    await direct.find(() => textUpTo(direct.seen, 0));
    const before = proxy.accepted;
    proxy.stall();
    holds[1]?.release();
    await direct.end(turn.id);
    await proxy.connection(before + 1);
    // Late, the old connection delivers too.
    proxy.resume();
    expect(textOf(await iterating)).toBe(whole);
    direct.stop();
  },
);

test('a consumer that does not read leaves the server, and loses nothing', async () => {
  const parley = await parleyOf(app, 'ann', { url: proxy.url });
  const conversation = await parley.conversations.create();
  const pieces = Array.from({ length: 100 }, (_, i) => `${i} ${'word '.repeat(800)}. `);
  app.provider.script(answer(...pieces));
  const events = conversation.events();
  const turn = conversation.send('much');
  await turn.done;
  await expect.poll(() => app.server.running.app.feed.size).toBe(0);
  const followed = await until(events, isEnd);
  const iterated = await collect(turn);
  expect(textOf(followed.map(({ data }) => data))).toBe(pieces.join(''));
  expect(textOf(iterated)).toBe(pieces.join(''));
  expect(iterated.map(({ type }) => type)).toEqual(followed.map(({ data }) => data.type));
});

test('a server that is replaced is talked to again', async () => {
  const first = await startApp();
  const between = await startProxy(first.url);
  let second: App | undefined;
  try {
    const parley = await parleyOf(first, 'ann', { url: between.url });
    const conversation = await parley.conversations.create();
    expect(await conversation.send('one').text()).toBe('You said: one. 1 2 3');
    await expect.poll(() => first.server.running.app.feed.size).toBe(0);
    const following = until(conversation.events(), ({ data }) => data.type === 'turn.completed');
    await expect.poll(() => first.server.running.app.feed.size).toBe(1);
    await first.server.stop();
    second = await startApp({ beside: first, env: { PORT: new URL(first.url).port } });
    expect(await conversation.send('two').text()).toBe('You said: two. 1 2 3');
    expect((await following).at(-1)?.data.type).toBe('turn.completed');
    await parley.close();
  } finally {
    await second?.stop();
    await between.close();
    await first.stop();
  }
});

test.each<Transport>(['binary', 'websocket'])(
  'a dead %s connection is found out soon by who wakes',
  async (transport) => {
    const parley = await parleyOf(app, 'ann', { url: proxy.url, transport });
    const conversation = await parley.conversations.create();
    const { ready } = conversation.listen({ event() {}, end() {} });
    await ready;
    const opened = proxy.accepted;
    parley.wake();
    expect(await conversation.send('second').text()).toContain('second');
    expect(proxy.accepted).toBe(opened);

    proxy.stall();
    parley.wake();
    await proxy.connection(opened + 1);
    proxy.resume();
    expect(await conversation.send('third').text()).toContain('third');
  },
);
