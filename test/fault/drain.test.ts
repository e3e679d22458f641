import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, gate } from '../support/provider.ts';
import type { Replica } from '../support/replica.ts';
import { sharedRedis } from '../support/shared-redis.ts';
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

  // Guard: `stopAll('handover')` after DRAIN_MS; the lease is given back at once.
  it('hands over what has said nothing, and keeps what was said of what does not end', async () => {
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
    expect(await leaving.terminate()).toBe(0);
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

function fail(): never {
  throw new Error('no replica lives');
}
