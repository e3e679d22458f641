import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, expect, it, vi } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate } from '../support/provider.ts';
import { watch } from '../support/watch.ts';

// Property 23. Guards: each `close` in `assemble` and `serve`; `Leases.release`; a subscription's `stop`.

/** What keeps a process alive or answers to the outside, counted by kind. */
function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

const signals = ['SIGTERM', 'SIGINT', 'disconnect', 'exit', 'uncaughtException', 'unhandledRejection'] as const;
const listeners = () => signals.map((name) => `${name}: ${process.listenerCount(name)}`);
const prototypes = () =>
  [Object, Array, Promise, String, Date, Error, Map, Set, Buffer].map(({ name, prototype }) => [
    name,
    Reflect.ownKeys(prototype).length,
  ]);

/** Waits for what is on its way out, for 10 s at most. Without a timer, which would be one of what it looks at. */
async function released(): Promise<void> {
  const until = performance.now() + 10_000;
  while (!isDeepStrictEqual(resources(), baseline.resources) && performance.now() < until) await turn();
}

let baseline: { resources: Record<string, number>; listeners: string[]; prototypes: unknown };

/** One life of a server with everything that opens something: sockets, subscriptions, turns of every end. */
async function live(redis: boolean): Promise<void> {
  const app: App = await startApp({ redis, model: 'echo:4:2' });
  const ada = await app.trpc('ada');
  const http = await app.http('ada');
  const { id } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId: id });
  await watched.started;
  const parts = [{ type: 'text' as const, text: 'hello' }];
  const { turnId } = await http.turns.send.mutate({ conversationId: id, parts });
  await watched.end(turnId);
  app.provider.script({ status: 400, steps: ['{}'] }, answer('on and ', gate()));
  const failed = await ada.turns.ask.mutate({ conversationId: id, parts });
  expect(failed.turn.status).toBe('failed');
  const running = await ada.turns.send.mutate({ conversationId: id, parts });
  await watched.find((event) => event.type === 'agent.delta' && event.turnId === running.turnId);
  await ada.turns.interrupt.mutate({ conversationId: id });
  await watched.end(running.turnId);
  expect(app.server.running.app.runner.count).toBe(0);
  expect(app.server.running.app.runner.leases.count).toBe(0);
  watched.stop();
  await vi.waitFor(() => expect(app.server.running.app.feed.size).toBe(0), 10_000);
  // Dropping the database fails while a connection to it is open.
  await app.stop();
}

beforeAll(async () => {
  // What is made once for the life of a process is made.
  await live(false);
  await live(true);
  baseline = { resources: resources(), listeners: listeners(), prototypes: prototypes() };
});

it.each([
  ['in memory', false],
  ['on Redis', true],
])('a server %s that is closed leaves nothing behind', async (_, redis) => {
  await live(redis);
  await released();
  expect(resources()).toEqual(baseline.resources);
  expect(listeners()).toEqual(baseline.listeners);
  expect(prototypes()).toEqual(baseline.prototypes);
});

it('a server that is closed while it is used leaves nothing behind', async () => {
  const app = await startApp({ model: 'echo:4:2' });
  const ada = await app.trpc('ada');
  const { id } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId: id });
  await watched.started;
  app.provider.script(answer('on and ', gate()));
  await ada.turns.send.mutate({ conversationId: id, parts: [{ type: 'text', text: 'hello' }] });
  await watched.find((event) => event.type === 'agent.delta');
  await app.server.close();
  expect(app.server.running.app.runner.count).toBe(0);
  expect(app.server.running.app.feed.size).toBe(0);
  await app.stop();
  await released();
  expect(resources()).toEqual(baseline.resources);
});
