import type { Live } from '@parley/client/conversation/live';
import type { ConversationView } from '@parley/client/conversation/view';
import type { ViewState } from '@parley/client/conversation/view-state';
import { viewsOf } from '@parley/client/conversation/views';
import { textOf as textIn } from '@parley/shared/message';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { parleyOf } from '../support/parley.ts';
import { answer, gate } from '../support/provider.ts';
import { startProxy } from '../support/proxy.ts';

let app: App;
beforeAll(async () => {
  app = await startApp();
});
afterAll(async () => {
  await app?.stop();
});

const looking: (() => void)[] = [];
afterEach(() => {
  for (const leave of looking.splice(0)) leave();
});

/** Looks at a view until the test is over. `values`: all that it told of. */
function look(view: ConversationView): ViewState[] {
  const values: ViewState[] = [];
  looking.push(view.subscribe(() => values.push(view.get())));
  return values;
}

/** The first value that fits, now or later. */
function when<T>(live: Live<T>, fits: (value: T) => boolean): Promise<T> {
  return new Promise((resolve) => {
    const leave = live.subscribe(() => check());
    const check = (): void => {
      const value = live.get();
      if (!fits(value)) return;
      queueMicrotask(() => leave());
      resolve(value);
    };
    check();
  });
}

const texts = ({ data }: ViewState): string[] => (data?.messages ?? []).map(({ parts }) => textIn(parts));
const isAnswered = (count: number) => (state: ViewState) =>
  texts(state).length === count && state.data?.turn === null && state.outgoing.length === 0;

test.each(['binary', 'websocket', 'http'] as const)(
  'over %s what is said is shown at once, and then as it is stored, once',
  async (transport) => {
    const parley = await parleyOf(app, 'ann', { transport });
    const { id } = await parley.conversations.create();
    const view = viewsOf(parley).of(id);
    const values = look(view);
    expect(view.get()).toMatchObject({ status: 'pending', data: undefined });
    await when(view, ({ status }) => status === 'success');
    const hold = gate();
    app.provider.script(answer('One. ', hold, 'Two.'));
    const sent = view.outbox.send('hello');
    // Looked at directly: it may be among the messages before the next frame is told of.
    const [shown] = view.outbox.outgoing;
    expect(shown?.parts).toEqual([{ type: 'text', text: 'hello' }]);
    expect(await sent).toMatchObject({ duplicate: false, turnId: shown?.turnId });
    await when(view, ({ data }) => data?.turn?.bubbles[0] === 'One. ');
    hold.release();
    const done = await when(view, isAnswered(2));
    expect(texts(done)).toEqual(['hello', 'One. Two.']);
    for (const value of values) {
      const said = [...texts(value), ...value.outgoing.map(({ parts }) => JSON.stringify(parts))];
      expect(said.filter((text) => text.includes('hello')).length).toBeLessThanOrEqual(1);
    }
  },
);

test('all who look share one subscription, which ends with the last of them', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  const before = app.server.running.app.feed.size;
  const views = viewsOf(parley);
  look(views.of(id));
  look(views.of(id));
  await when(views.of(id), ({ status }) => status === 'success');
  await views.of(id).outbox.send('hello');
  await when(views.of(id), isAnswered(2));
  expect(app.server.running.app.feed.size).toBe(before + 1);
  for (const leave of looking.splice(0)) leave();
  await expect.poll(() => app.server.running.app.feed.size, { timeout: 10_000 }).toBe(before);
  // Nothing of what happens meanwhile is missed by whoever looks again.
  const other = await parleyOf(app, 'ann');
  await other.conversation(id).send('and again').text();
  look(views.of(id));
  const later = await when(views.of(id), isAnswered(4));
  expect(texts(later)[2]).toBe('and again');
});

test('older pages come before those that are there, which stay the same objects', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  for (let i = 0; i < 5; i++) await conversation.send(`message ${i}`).text();
  const view = viewsOf(parley).of(conversation.id, { pageSize: 4 });
  look(view);
  const first = await when(view, ({ status }) => status === 'success');
  expect(texts(first).length).toBe(4);
  expect(first.hasPreviousPage).toBe(true);
  await Promise.all([view.fetchPreviousPage(), view.fetchPreviousPage()]);
  const second = await when(view, (state) => texts(state).length === 8);
  expect(second.data?.messages.slice(4)).toEqual(first.data?.messages);
  expect(second.data?.messages.at(-1)).toBe(first.data?.messages.at(-1));
  await view.fetchPreviousPage();
  const third = await when(view, (state) => texts(state).length === 10);
  expect(third.hasPreviousPage).toBe(false);
  expect(texts(third).filter((text) => text.startsWith('message'))).toEqual([0, 1, 2, 3, 4].map((i) => `message ${i}`));
});

test('a turn that runs is seen from its beginning, whenever one comes', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  const hold = gate();
  app.provider.script(answer('Once ', 'upon ', hold, 'a time.'));
  const turn = conversation.send('a story');
  for await (const event of turn) if (event.type === 'agent.delta') break;
  const view = viewsOf(parley).of(conversation.id);
  look(view);
  await when(view, ({ data }) => data?.turn?.bubbles[0] === 'Once upon ');
  expect(await view.interrupt()).toBe(true);
  hold.release();
  const ended = await when(view, isAnswered(2));
  expect(ended.data?.messages[1]).toMatchObject({ status: 'interrupted' });
  expect(ended.turns.at(-1)).toMatchObject({ id: turn.id, status: 'interrupted', input: 'text' });
});

test('what is said while the server is away is sent when it is back, in order and once', async () => {
  const proxy = await startProxy(app.url);
  try {
    const parley = await parleyOf(app, 'ann', { url: proxy.url });
    const { id } = await parley.conversations.create();
    const view = viewsOf(parley).of(id);
    look(view);
    await when(view, ({ status }) => status === 'success');
    proxy.refuses = true;
    proxy.cut();
    const sent = [view.outbox.send('first', { onBusy: 'queue' }), view.outbox.send('second', { onBusy: 'queue' })];
    await when(view, ({ outgoing }) => outgoing.length === 2);
    proxy.refuses = false;
    await Promise.all(sent);
    const done = await when(view, isAnswered(4));
    expect(texts(done).filter((text) => !text.startsWith('You'))).toEqual(['first', 'second']);
  } finally {
    await proxy.close();
  }
});

// Guard: a view that has seen no event goes on from where it was loaded (`#locate` of what it follows with).
test.each(['binary', 'http'] as const)(
  'over %s the first thing that is said, while nothing comes back, is there with its answer when that is over',
  async (transport) => {
    const proxy = await startProxy(app.url);
    try {
      const other = await parleyOf(app, 'ann');
      const { id } = await other.conversations.create();
      await other.conversation(id).send('before').text();
      const parley = await parleyOf(app, 'ann', { transport, url: proxy.url });
      const view = viewsOf(parley).of(id);
      await expect.poll(() => app.server.running.app.feed.size).toBe(0);
      look(view);
      const loaded = await when(view, ({ status }) => status === 'success');
      expect([texts(loaded).length, loaded.data?.lastEventId]).toEqual([2, null]);
      await expect.poll(() => app.server.running.app.feed.size).toBe(1);
      proxy.stall('down');
      const sent = view.outbox.send('hello');
      const [said] = view.outbox.outgoing;
      await expect
        .poll(async () => {
          const { items } = await other.conversation(id).messages();
          return items.filter(({ turnId }) => turnId === said?.turnId).length;
        })
        .toBe(2);
      proxy.cut();
      proxy.resume();
      expect(await sent).toMatchObject({ duplicate: true });
      expect(texts(await when(view, isAnswered(4))).slice(2)).toEqual(['hello', 'You said: hello. 1 2 3']);
    } finally {
      await proxy.close();
    }
  },
);

test('a message that is refused is kept, and sent again under the same id', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  const view = viewsOf(parley).of(id);
  look(view);
  await when(view, ({ status }) => status === 'success');
  const hold = gate();
  app.provider.script(answer('slow', hold));
  await view.outbox.send('one');
  await expect(view.outbox.send('two')).rejects.toMatchObject({ reason: 'TURN_IN_PROGRESS' });
  const kept = await when(view, ({ outgoing }) => outgoing.some(({ status }) => status === 'failed'));
  hold.release();
  await when(view, ({ data }) => data?.messages.length === 2 && data.turn === null);
  const turnId = kept.outgoing[0]?.turnId ?? '';
  expect(await view.outbox.resend(turnId)).toMatchObject({ turnId, duplicate: false });
  expect(texts(await when(view, isAnswered(4)))[2]).toBe('two');
});

// Guard: what was stored before the first message that is loaded is not waited for.
test('a message that had been sent before, and lies before what is loaded, is no longer outgoing', async () => {
  const parley = await parleyOf(app, 'ann');
  const conversation = await parley.conversations.create();
  const before = conversation.send('long ago');
  await before.text();
  for (let i = 0; i < 2; i++) await conversation.send(`message ${i}`).text();
  const view = viewsOf(parley).of(conversation.id, { pageSize: 2 });
  look(view);
  await when(view, ({ status }) => status === 'success');
  expect(await view.outbox.send('long ago', { turnId: before.id })).toMatchObject({ duplicate: true });
  expect(view.outbox.outgoing).toEqual([]);
});

test('a conversation that is not there is an error', async () => {
  const parley = await parleyOf(app, 'ann');
  const view = viewsOf(parley).of('019a0000-0000-7000-8000-000000000000');
  look(view);
  const failed = await when(view, ({ status }) => status !== 'pending');
  expect(failed).toMatchObject({ status: 'error', error: { reason: 'NOT_FOUND' } });
});

// Guard: a failure with the reason CONVERSATION_DELETED is that state.
test('a conversation that is deleted while the connection is away is shown as deleted', async () => {
  const proxy = await startProxy(app.url);
  try {
    const parley = await parleyOf(app, 'ann', { url: proxy.url });
    const { id } = await parley.conversations.create();
    const view = viewsOf(parley).of(id);
    look(view);
    await when(view, ({ status }) => status === 'success');
    proxy.refuses = true;
    proxy.cut();
    const other = await parleyOf(app, 'ann');
    await other.conversation(id).delete();
    proxy.refuses = false;
    const gone = await when(view, ({ data }) => data?.status === 'deleted');
    expect(gone).toMatchObject({ status: 'success', data: { messages: [], conversation: null } });
  } finally {
    await proxy.close();
  }
});

test('so is one that was deleted before anybody looked', async () => {
  const parley = await parleyOf(app, 'ann');
  const { id } = await parley.conversations.create();
  await parley.conversation(id).delete();
  const view = viewsOf(parley).of(id);
  look(view);
  const gone = await when(view, ({ status }) => status !== 'pending');
  expect(gone).toMatchObject({ status: 'success', data: { status: 'deleted' } });
});
