import { setTimeout as pause } from 'node:timers/promises';
import type { Transport } from '@parley/client/connection/link';
import { ParleyFailure } from '@parley/client/failure';
import type { Event, Tracked } from '@parley/shared/event';
import { newId } from '@parley/shared/id';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { collect, countOf, parleyOf, textOf, until } from '../support/parley.ts';
import { answer, gate } from '../support/provider.ts';

let app: App;
beforeAll(async () => {
  app = await startApp();
});
afterAll(async () => {
  await app?.stop();
});

const whole = ['turn.started', 'message.saved', 'agent.delta', 'message.saved', 'turn.metrics', 'turn.completed'];
const kinds = (events: readonly Event[]) =>
  events
    .map(({ type }) => type)
    .filter((type) => type !== 'agent.text')
    .filter((type, i, all) => type !== all[i - 1]);

async function reasonOf(promise: PromiseLike<unknown>): Promise<unknown> {
  return promise.then(
    () => 'no failure',
    (error: unknown) => (error instanceof ParleyFailure ? error.reason : error),
  );
}

describe.each<Transport>(['binary', 'websocket', 'http'])('over %s', (transport) => {
  test('a turn is an iteration of its events, a text and an end', async () => {
    const parley = await parleyOf(app, 'ann', { transport });
    const conversation = await parley.conversations.create();
    for (const said of ['hello', 'and again', '第三次']) {
      const turn = conversation.send(said);
      const events = await collect(turn);
      expect(kinds(events).join(' ')).toBe(whole.join(' '));
      expect(events.every((event) => 'turnId' in event && event.turnId === turn.turnId)).toBe(true);
      expect(textOf(events)).toBe(`You said: ${said}. 1 2 3`);
      expect(await turn.text()).toBe(textOf(events));
      expect(await turn.accepted).toMatchObject({ turnId: turn.id, duplicate: false });
      expect((await turn.done).type).toBe('turn.completed');
    }
    const stored = await parley.trpc.conversations.messages.query({ conversationId: conversation.id });
    expect(stored.items.map(({ role }) => role).join(' ')).toBe('human agent human agent human agent');
  });

  test('its deltas come as the model speaks', async () => {
    const parley = await parleyOf(app, 'ann', { transport });
    const conversation = await parley.conversations.create();
    const hold = gate();
    app.provider.script(answer('One. ', hold, 'Two.'));
    const pieces = await collect(conversation.send('go').deltas(), () => hold.release());
    expect(pieces.join('')).toBe('One. Two.');
    expect(pieces.length).toBeGreaterThan(1);
  });

  test('interrupt stops it, once', async () => {
    const parley = await parleyOf(app, 'ann', { transport });
    const conversation = await parley.conversations.create();
    app.provider.script(answer('Once upon a time', gate(), ' never said'));
    const turn = conversation.send('a story');
    const events = await collect(turn, async ({ type }) => {
      if (type === 'agent.delta') expect(await turn.interrupt()).toBe(true);
    });
    expect(events.at(-1)?.type).toBe('turn.interrupted');
    expect(await turn.text()).toBe('Once upon a time');
    expect(await turn.interrupt()).toBe(false);
  });

  test('turns at the same time have their own events, over one subscription', async () => {
    const parley = await parleyOf(app, 'ann', { transport });
    const conversation = await parley.conversations.create();
    const hold = gate();
    app.provider.script(answer('first', hold, ' answer'), answer('second answer'));
    const first = conversation.send('one');
    await first.accepted;
    await expect.poll(() => app.server.running.app.feed.size).toBe(1);
    const second = conversation.send('two', { onBusy: 'queue' });
    await second.accepted;
    expect(app.server.running.app.feed.size).toBe(1);
    hold.release();
    const [one, two] = await Promise.all([collect(first), collect(second)]);
    expect([textOf(one), textOf(two)]).toEqual(['first answer', 'second answer']);
    expect(
      one
        .concat(two)
        .map(({ type }) => type === 'turn.started')
        .filter(Boolean),
    ).toHaveLength(2);
    await expect.poll(() => app.server.running.app.feed.size).toBe(0);
  });

  test('another turn at the same time is refused at once, not tried again', async () => {
    const parley = await parleyOf(app, 'ann', { transport });
    const conversation = await parley.conversations.create();
    const hold = gate();
    app.provider.script(answer('slow', hold));
    const first = conversation.send('one');
    await first.accepted;
    const second = conversation.send('two');
    expect(await reasonOf(second.accepted)).toBe('TURN_IN_PROGRESS');
    expect(await reasonOf(second.text())).toBe('TURN_IN_PROGRESS');
    expect(await reasonOf(collect(second))).toBe('TURN_IN_PROGRESS');
    hold.release();
    expect(await first.text()).toBe('slow');
  });

  test('a greeting is followed from its first event', async () => {
    const parley = await parleyOf(app, 'ann', { transport });
    const conversation = await parley.conversations.create();
    app.provider.script(answer('Welcome.'));
    const { greeting, conversation: opened } = await conversation.open();
    expect(opened.id).toBe(conversation.id);
    if (!greeting) throw new Error('no greeting');
    const events = await collect(greeting);
    expect(events[0]).toMatchObject({ type: 'turn.started', input: 'greeting' });
    expect(textOf(events)).toBe('Welcome.');
    expect((await conversation.open()).greeting).toBeUndefined();
  });

  test('events of a conversation end when it is deleted, and its turn fails', async () => {
    const parley = await parleyOf(app, 'ann', { transport });
    const conversation = await parley.conversations.create();
    app.provider.script(answer('never', gate(), 'more'));
    const turn = conversation.send('hello');
    await turn.accepted;
    const begun = Promise.withResolvers<void>();
    const following = collect(conversation.events(), () => begun.resolve());
    for await (const delta of turn.deltas()) if (delta) break;
    await begun.promise;
    await parley.trpc.conversations.delete.mutate({ conversationId: conversation.id });
    expect((await following).at(-1)?.data.type).toBe('conversation.deleted');
    expect(await reasonOf(turn.done)).toBe('CONVERSATION_DELETED');
  });

  test('what cannot be is said at once, with its reason and trace', async () => {
    const parley = await parleyOf(app, 'ann', { transport });
    const missing = parley.conversation(newId());
    expect(await reasonOf(missing.events().next())).toBe('NOT_FOUND');
    expect(await reasonOf(missing.send('hello').accepted)).toBe('NOT_FOUND');
    const ended = await parley.conversations.create();
    await parley.trpc.conversations.end.mutate({ conversationId: ended.id });
    expect(await reasonOf(ended.send('hello').accepted)).toBe('CONVERSATION_ENDED');
    const failure: unknown = await missing.open().catch((error: unknown) => error);
    expect(failure).toMatchObject({
      name: 'ParleyFailure',
      retryable: false,
      traceId: expect.stringMatching(/^\w{32}$/),
    });
    const stranger = await parleyOf(app, 'ann', { transport, token: 'nonsense' });
    expect(await reasonOf(stranger.conversation(ended.id).events().next())).toBe('UNAUTHENTICATED');
  });

  test('a token that expires is replaced, and nothing is missed', async () => {
    const asked: (() => void)[] = [];
    const parley = await parleyOf(app, 'tom', {
      transport,
      token: async () => {
        asked.shift()?.();
        return await app.token('tom', { lifetime: 2 });
      },
    });
    const conversation = await parley.conversations.create();
    // The turn goes on until it is seen: a subscription that comes late still begins with it.
    const rest = gate();
    app.provider.script(answer('Hello. ', rest, 'Again.'));
    await conversation.send('hello').accepted;
    const begun = await until(conversation.events(), ({ data }) => data.type === 'agent.delta');
    rest.release();
    const isOver = ({ data }: Tracked) => data.type === 'turn.completed';
    const first = await until(conversation.events({ lastEventId: begun.at(-1)?.id }), isOver);
    const following = until(conversation.events({ lastEventId: first.at(-1)?.id }), isOver);
    // Nothing but the subscription is there to notice that the first token has expired.
    await new Promise<void>((resolve) => asked.push(resolve));
    expect(await conversation.send('still there?').text()).toBe('You said: still there?. 1 2 3');
    const events = (await following).map(({ data }) => data);
    expect([countOf(events, 'turn.started'), textOf(events)]).toEqual([1, 'You said: still there?. 1 2 3']);
    expect((await parley.trpc.account.me.query()).user.id).toBeTruthy();
  });

  test('a call on a connection whose token has expired is made with a fresh one', async () => {
    const parley = await parleyOf(app, 'tom', { transport, token: () => app.token('tom', { lifetime: 2 }) });
    // A token's times are whole seconds: this one lives for one to two.
    const end = Date.now() + 4_500;
    while (Date.now() < end) {
      expect(await parley.trpc.account.me.query()).toBeTruthy();
      await pause(100);
    }
  });
});

test('an aborted signal leaves the turn, which goes on', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  const hold = gate();
  app.provider.script(answer('One', hold, ' two'));
  const leave = new AbortController();
  const turn = conversation.send('count', { signal: leave.signal });
  const why = new Error('enough');
  const iterating = collect(turn, ({ type }) => type === 'agent.delta' && leave.abort(why));
  await expect(iterating).rejects.toBe(why);
  await expect(turn.done).rejects.toBe(why);
  hold.release();
  expect(await conversation.turn(turn.id).text()).toBe('One two');
});

test('the same turn id again follows the same turn, running or ended', async () => {
  const parley = await parleyOf(app, 'ann');
  const other = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  const hold = gate();
  app.provider.script(answer('One', hold, ' two'));
  const turnId = newId();
  const first = conversation.send('count', { turnId });
  for await (const delta of first.deltas()) if (delta) break;
  const second = other.conversation(conversation.id).send('count', { turnId });
  expect((await second.accepted).duplicate).toBe(true);
  hold.release();
  expect(textOf(await collect(second))).toBe('One two');
  const third = other.conversation(conversation.id).send('count', { turnId });
  const events = await collect(third);
  expect([textOf(events), countOf(events, 'turn.started'), countOf(events, 'turn.completed')]).toEqual([
    'One two',
    1,
    1,
  ]);
});

test('closing ends what is followed and leaves no connection', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  app.provider.script(answer('never', gate()));
  const turn = conversation.send('hello');
  await turn.accepted;
  const following = collect(conversation.events());
  await parley.close();
  await following;
  expect(await reasonOf(turn.done)).toBe('UNAVAILABLE');
  expect(await reasonOf(conversation.send('hello').accepted)).toBe('UNAVAILABLE');
  await expect.poll(async () => (await fetch(`${app.url}/metrics`)).text()).toMatch(/sockets?\S* 0\n/);
});

test('only one may iterate a turn', async () => {
  const parley = await parleyOf(app, 'ann');
  const turn = (await parley.conversations.create()).send('hello');
  await collect(turn);
  await expect(collect(turn)).rejects.toThrow(TypeError);
});
