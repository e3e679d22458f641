import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { answer, gate, refusal } from '../support/provider.ts';
import { startRedis } from '../support/redis.ts';
import type { Fault, Replica } from '../support/replica.ts';
import { sharedRedis } from '../support/shared-redis.ts';
import { type Crew, startCrew } from './crew.ts';

// Properties 3 and 4: what happens to a turn whose next owner dies too, and to one whose first owner comes back in between.

let crew: Crew;
beforeAll(async () => {
  crew = await startCrew({ redisUrl: sharedRedis().url });
});
afterAll(() => crew.stop());

/** A second SIGTERM would not let it drain. */
async function leave(replica: Replica, struckBy: Fault['signal']): Promise<void> {
  if (struckBy === 'SIGSTOP') {
    replica.signal('SIGCONT');
    expect(await replica.terminate()).toBe(0);
  } else expect(await replica.exited).toBe(struckBy === 'SIGKILL' ? 'SIGKILL' : 0);
}

async function ownCrew(): Promise<Crew & AsyncDisposable> {
  const own = await startCrew({ redisUrl: sharedRedis().url });
  return { ...own, [Symbol.asyncDispose]: () => own.stop() };
}

describe('the replica that takes a turn over', () => {
  // Guard: a takeover is a claim with a lease like any other. Each on a database of its own: nobody else is to take over.
  it.concurrent.each(['SIGKILL', 'SIGSTOP', 'SIGTERM'] as const)(
    'and gets a %s itself leaves it to the next',
    {
      timeout: 60_000,
    },
    async (signal) => {
      await using crew = await ownCrew();
      const first = await crew.start();
      const second = await crew.start();
      const replicas = [first, second];
      const conversationId = await crew.conversation(first);
      const watcher = await crew.watch(conversationId, replicas);
      await crew.exchange(conversationId, first, [watcher]);
      const message = crew.message(conversationId);
      const { struck } = await first.fault({ step: 'delta.first', signal: 'SIGKILL', id: message.turnId });
      const taken = await second.fault({ step: 'takeover.claimed', signal, id: message.turnId });
      await message.attempt(first);
      await struck;
      await taken.struck;
      const third = await crew.start();
      replicas.push(third);
      expect(await message.to(third)).toBe('duplicate');
      const far = await crew.watch(conversationId, [third]);
      await vi.waitFor(async () => {
        const { status } = await (await crew.client(third)).turns.get.query({ turnId: message.turnId });
        expect(status).toBe('failed');
      }, 30_000);
      await leave(second, signal);
      await watcher.end(message.turnId);
      const next = crew.message(conversationId, 'and now');
      await next.to(third);
      await Promise.all([watcher.end(next.turnId), far.end(next.turnId)]);
      await crew.judge();
    },
  );
});

describe('an owner that wakes up in the middle of an append', () => {
  // Guard: `#resume` closes the log to older owners before it looks at what they delivered.
  it('finds the log closed', { timeout: 60_000 }, async () => {
    const first = await crew.start();
    const second = await crew.start({ LEASE_MS: '20000' });
    const conversationId = await crew.conversation(second);
    const watchers = await Promise.all([first, second].map((replica) => crew.watch(conversationId, [replica, second])));
    const hold = gate();
    crew.provider.script(answer(hold, 'Twice ', 'said.'));
    const message = crew.message(conversationId);
    await message.to(first);
    await Promise.all(watchers.map((watcher) => watcher.find(({ type }) => type === 'message.saved')));
    // The first owner stops when its next append is under way, the second one when its own is.
    const stop: Fault = { step: 'append.before', signal: 'SIGSTOP', id: message.turnId };
    const [before, after] = await Promise.all([first.fault(stop), second.fault(stop)]);
    hold.release();
    await before.struck;
    await after.struck;
    first.signal('SIGCONT');
    expect(await first.terminate()).toBe(0);
    second.signal('SIGCONT');
    await Promise.all(watchers.map((watcher) => watcher.end(message.turnId)));
    await crew.judge([conversationId]);
    await second.kill();
  });
});

describe('an owner that wakes up while Redis is away', () => {
  // Guard: the lease's own clock in the recorder. Nothing else stops words that add nothing to the text: the log that would
  // refuse them cannot be reached, and there is no progress to record.
  it('says nothing more', { timeout: 60_000 }, async () => {
    const redis = await startRedis();
    const crew = await startCrew({ redisUrl: redis.url });
    try {
      const first = await crew.start();
      const second = await crew.start();
      const conversationId = await crew.conversation(second);
      const near = await crew.watch(conversationId, [first, second]);
      const far = await crew.watch(conversationId, [second]);
      const hold = gate();
      crew.provider.script(answer('Not a whole sentence', hold));
      const message = crew.message(conversationId);
      await message.to(first);
      await near.find(({ type }) => type === 'agent.delta');
      first.signal('SIGSTOP');
      expect((await far.end(message.turnId)).type).toBe('turn.failed');
      redis.kill('SIGSTOP');
      // The answer's end makes a sentence of what was said.
      hold.release();
      await crew.provider.requests[0]?.ended;
      first.signal('SIGCONT');
      expect(await first.terminate()).toBe(0);
      redis.kill('SIGCONT');
      expect((await near.end(message.turnId)).type).toBe('turn.failed');
      expect(near.events.map(({ data }) => data.type)).not.toContain('agent.text');
      await crew.judge();
    } finally {
      await crew.stop();
      await redis.stop();
    }
  });
});

describe('an owner that comes back to end a turn that another one runs', () => {
  // Guard: a turn is ended for its generation.
  it('changes nothing', { timeout: 60_000 }, async () => {
    const first = await crew.start();
    const second = await crew.start();
    const conversationId = await crew.conversation(second);
    const watchers = await Promise.all([first, second].map((replica) => crew.watch(conversationId, [replica, second])));
    const hold = gate();
    crew.provider.script(refusal(400), answer('It goes ', hold, 'on.'));
    const message = crew.message(conversationId);
    const { struck } = await first.fault({ step: 'settle.before', signal: 'SIGSTOP', id: message.turnId });
    await message.to(first);
    await struck;
    await watchers[1]?.find(({ type }) => type === 'agent.delta');
    first.signal('SIGCONT');
    expect(await first.terminate()).toBe(0);
    hold.release();
    const ends = await Promise.all(watchers.map((watcher) => watcher.end(message.turnId)));
    expect(ends.map(({ type }) => type)).toEqual(['turn.completed', 'turn.completed']);
    await crew.judge([conversationId]);
    await second.kill();
  });
});

describe('a conversation that is deleted', () => {
  let survivor: Replica;
  beforeAll(async () => {
    survivor = await crew.start();
  });

  // Guard: the row that says so stays until all else is erased; any replica's sweep goes on with it.
  it.concurrent.each([
    ['erase.before', 'SIGKILL'],
    ['erase.middle', 'SIGKILL'],
    ['erase.middle', 'SIGSTOP'],
    ['erase.middle', 'SIGTERM'],
  ] as const)('is erased although its replica gets a signal: at %s a %s', { timeout: 60_000 }, async (step, signal) => {
    const first = await crew.start();
    const conversationId = await crew.conversation(first);
    const watcher = await crew.watch(conversationId, [survivor]);
    const message = crew.message(conversationId, 'to be forgotten');
    await message.to(first);
    await watcher.end(message.turnId);
    const { struck } = await first.fault({ step, signal, id: conversationId });
    const { conversations } = await crew.client(first);
    const deleted = conversations.delete.mutate({ conversationId }).catch(() => undefined);
    await struck;
    await watcher.find(({ type }) => type === 'conversation.deleted');
    const { db } = crew.database;
    const left = () => db.selectFrom('conversations').select('id').where('id', '=', conversationId).execute();
    await vi.waitFor(async () => expect(await left()).toEqual([]), 30_000);
    await leave(first, signal);
    await deleted;
    expect(
      await db.selectFrom('messages').select('id').where('conversation_id', '=', conversationId).execute(),
    ).toEqual([]);
    const { Redis } = await import('ioredis');
    const redis = new Redis(sharedRedis().url);
    expect(await redis.keys(`*${conversationId}*`)).toEqual([]);
    redis.disconnect();
  });
});
