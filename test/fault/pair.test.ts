import type { Tracked } from '@parley/shared/event';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer, gate, refusal } from '../support/provider.ts';
import type { Replica } from '../support/replica.ts';
import { sharedRedis } from '../support/shared-redis.ts';
import { reasonOf } from '../support/stock.ts';
import { type Crew, startCrew } from './crew.ts';

// Two replicas on one PostgreSQL and one Redis, their clocks twenty minutes apart (property 15).

let crew: Crew;
let early: Replica;
let late: Replica;
const minutes = (count: number) => String(count * 60_000);

beforeAll(async () => {
  crew = await startCrew({ redisUrl: sharedRedis().url, model: 'echo:6:5' });
  [early, late] = await Promise.all([
    crew.start({ CLOCK_OFFSET_MS: minutes(-10) }),
    crew.start({ CLOCK_OFFSET_MS: minutes(10) }),
  ]);
});
afterAll(() => crew.stop());

const either = (i: number): Replica => (i % 2 === 0 ? early : late);
/** What the model was asked in turns of this conversation, by the text that only they have. */
const asked = (text: string) =>
  crew.provider.requests.filter(({ body }) => body.messages.some(({ content }) => content.includes(text)));

describe('one id', () => {
  // Property 10. Guard: `accept` looks for the turn under the conversation's lock.
  it('sent 50 times at once is one turn and one call of the model', async () => {
    const conversationId = await crew.conversation(early);
    const watcher = await crew.watch(conversationId, [late]);
    const message = crew.message(conversationId, 'fifty at once');
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => message.attempt(either(i))));
    expect(answers.filter((one) => one === 'new')).toHaveLength(1);
    expect(answers.filter((one) => one === 'duplicate')).toHaveLength(49);
    await watcher.end(message.turnId);
    await crew.judge([conversationId]);
    expect(asked('fifty at once')).toHaveLength(1);
  });

  // Property 10. Guard: the hash of what the id stands for.
  it('with another body is refused, on either replica, and changes nothing', async () => {
    const conversationId = await crew.conversation(early);
    const watcher = await crew.watch(conversationId, [early]);
    const message = crew.message(conversationId, 'the first body');
    await message.to(early);
    for (const replica of [early, late]) {
      const { turns } = await crew.client(replica);
      const parts = [{ type: 'text' as const, text: 'another body' }];
      const again = turns.send.mutate({ conversationId, turnId: message.turnId, parts });
      expect(await reasonOf(again)).toBe('IDEMPOTENCY_CONFLICT');
    }
    await watcher.end(message.turnId);
    await crew.judge([conversationId]);
  });
});

describe('concurrent turns of one conversation', () => {
  // Property 17. Guard: the open turns are looked at under the conversation's lock; the index on running turns behind it.
  it('one runs, the others are refused', async () => {
    const conversationId = await crew.conversation(early);
    const watcher = await crew.watch(conversationId, [early]);
    const hold = gate();
    crew.provider.script(answer('It ', hold, 'ran.'));
    const messages = Array.from({ length: 16 }, (_, i) => crew.message(conversationId, `rivals ${i}`));
    const answers = await Promise.all(messages.map((message, i) => message.attempt(either(i))));
    expect(answers.filter((one) => one === 'new')).toHaveLength(1);
    expect(answers.filter((one) => one === 'TURN_IN_PROGRESS')).toHaveLength(15);
    hold.release();
    const first = messages.find((message) => message.acknowledged);
    await watcher.end(first?.turnId ?? '');
    await crew.judge([conversationId]);
    expect(asked('rivals')).toHaveLength(1);
  });

  // Property 17. Guard: `promoteNext` in the transaction that ends the turn before, and the bound on those that wait.
  it('wait for each other, eight at most, each behind the answer to the one before', async () => {
    const conversationId = await crew.conversation(early);
    const watcher = await crew.watch(conversationId, [late]);
    const hold = gate();
    crew.provider.script(answer('It ', hold, 'ran.'));
    const messages = Array.from({ length: 12 }, (_, i) =>
      crew.message(conversationId, `in line ${i}`, { onBusy: 'queue' }),
    );
    const answers = await Promise.all(messages.map((message, i) => message.attempt(either(i))));
    expect(answers.filter((one) => one === 'new')).toHaveLength(9);
    expect(answers.filter((one) => one === 'TURN_IN_PROGRESS')).toHaveLength(3);
    hold.release();
    for (const message of messages) if (message.acknowledged) await watcher.end(message.turnId);
    await crew.judge([conversationId]);
  });

  // Property 17 and 21. Guard: an interrupt reaches the replica that runs the turn, and waits for its end.
  it('the newest interrupts the one that runs elsewhere', async () => {
    const conversationId = await crew.conversation(early);
    const watcher = await crew.watch(conversationId, [early]);
    const messages = Array.from({ length: 4 }, (_, i) =>
      crew.message(conversationId, `make way ${i}`, { onBusy: 'interrupt' }),
    );
    for (const [i, message] of messages.entries()) {
      if (i < 3) crew.provider.script(answer('I was ', gate()));
      expect(await message.attempt(either(i))).toBe('new');
      await watcher.find((event) => event.type === 'agent.delta' && event.turnId === message.turnId);
    }
    const ends = await Promise.all(messages.map((message) => watcher.end(message.turnId)));
    expect(ends.map(({ type }) => type)).toEqual([...Array(3).fill('turn.interrupted'), 'turn.completed']);
    await crew.judge([conversationId]);
  });
});

describe('a turn that failed', () => {
  // Property 3. Guard: another try does not tell of the message that the first one saved.
  it('is tried again as one of its own, on the same message', async () => {
    const conversationId = await crew.conversation(early);
    const watcher = await crew.watch(conversationId, [late]);
    crew.provider.script(refusal(400));
    const message = crew.message(conversationId, 'once more');
    await message.to(early);
    expect(await watcher.end(message.turnId)).toMatchObject({ type: 'turn.failed' });
    await crew.settled([conversationId]);
    const again = await (await crew.client(late)).turns.retry.mutate({ turnId: message.turnId });
    expect((await watcher.end(again.turnId)).type).toBe('turn.completed');
    await crew.judge([conversationId]);
  });
});

describe('what is acknowledged', () => {
  // Property 8. Guard: a cached history is used only when its revision is the row's.
  it('is in every later history and prompt, on either replica', async () => {
    const conversationId = await crew.conversation(early);
    const watcher = await crew.watch(conversationId, [early]);
    for (let i = 0; i < 10; i++) {
      const message = crew.message(conversationId, `round ${i} of it`);
      await message.to(either(i));
      for (const replica of [early, late]) {
        const { conversations } = await crew.client(replica);
        const { items } = await conversations.messages.query({ conversationId });
        expect(items.filter(({ role }) => role === 'human')).toHaveLength(i + 1);
      }
      await watcher.end(message.turnId);
      const prompt = asked(`round ${i} of it`)[0]?.body.messages ?? [];
      const before = Array.from({ length: i }, (_, n) => [`round ${n} of it`, `You said: round ${n} of it. 1 2 3 4 5`]);
      expect(prompt.filter(({ role }) => role !== 'system').map(({ content }) => content)).toEqual([
        ...before.flat(),
        `round ${i} of it`,
      ]);
    }
    await crew.judge([conversationId]);
  });
});

describe('a subscriber', () => {
  // Property 6. Guard: a subscription reads the log after the channel listens, and goes live only when the two meet.
  it('that comes at any moment of a turn, to either replica, misses nothing of it', async () => {
    const conversationId = await crew.conversation(early);
    const first = await crew.watch(conversationId, [early]);
    crew.provider.script(answer(...Array.from({ length: 120 }, (_, i) => `${i} `)));
    const message = crew.message(conversationId, 'come and see', { onBusy: 'queue' });
    const next = crew.message(conversationId, 'and again', { onBusy: 'queue' });
    await Promise.all([message.to(late), next.to(early)]);
    const others = [];
    for (let i = 0; i < 24; i++) {
      others.push(crew.watch(conversationId, [either(i)]));
      await first.find((event) => event.type === 'agent.delta');
    }
    const watchers = await Promise.all(others);
    await Promise.all([message, next].map(({ turnId }) => first.end(turnId)));
    // One that came between the turns sees no more than the last of them, one that came after both sees nothing.
    const whole = first.events.map(({ id }) => id);
    const last = whole.at(-1);
    for (const watcher of watchers) {
      const [from] = watcher.events;
      if (!from) continue;
      await watcher.find((event) => event === watcher.events.find(({ id }) => id === last)?.data);
      expect(watcher.events.map(({ id }) => id)).toEqual(whole.slice(whole.indexOf(from.id)));
    }
    await crew.judge([conversationId]);
  });

  // Property 5. Guard: pages of the log are joined to what comes live by number; an id that is not there is a gap.
  it('that resumes after any event gets exactly the rest, on either replica, twice the same', async () => {
    const conversationId = await crew.conversation(early);
    const watcher = await crew.watch(conversationId, [early]);
    for (const text of ['One thing. And another!', '第一句。第二句？']) {
      const message = crew.message(conversationId, text);
      await message.to(late);
      await watcher.end(message.turnId);
    }
    const all: readonly Tracked[] = [...watcher.events];
    const resumed = all.flatMap((_, i) => [early, late, early].map((replica) => ({ replica, i })));
    await Promise.all(
      resumed.map(async ({ replica, i }) => {
        const events = all.slice(0, i + 1);
        const again = await crew.watch(conversationId, [replica], { name: '', conversationId, events });
        const last = all.at(-1);
        await again.find(() => again.events.at(-1)?.id === last?.id);
        expect(again.events).toEqual(all);
      }),
    );
    await crew.judge([conversationId]);
  });

  it('that resumes after an event that never was takes one gap', async () => {
    const conversationId = await crew.conversation(early);
    const message = crew.message(conversationId, 'before the gap');
    const watcher = await crew.watch(conversationId, [early]);
    await message.to(early);
    const { turnId } = message;
    await watcher.end(turnId);
    for (const id of ['0000000000001-0000000000', 'nonsense', '9999999999999-0000000001']) {
      const { data } = watcher.events[0] ?? {};
      if (!data) throw new Error('nothing was seen');
      const lost = await crew.watch(conversationId, [late], { name: '', conversationId, events: [{ id, data }] });
      const gap = await lost.find(({ type }) => type === 'gap');
      expect(gap.data.type === 'gap' && gap.data.snapshot.messages.map(({ role }) => role)).toEqual(['human', 'agent']);
      await lost.close();
      expect(lost.events).toHaveLength(2);
      lost.events.shift();
    }
    await crew.judge([conversationId]);
  });

  // Property 12. Guard: sentences are numbered by one counter, over all bubbles.
  it('gets sentences 0, 1, 2 … without a hole, in several bubbles', async () => {
    const conversationId = await crew.conversation(early);
    const watcher = await crew.watch(conversationId, [late]);
    crew.provider.script(answer('One. Tw', 'o! Thr', 'ee?\n\n---\n\nFo', 'ur. 五。', '六！'));
    const message = crew.message(conversationId, 'count for me');
    await message.to(early);
    await watcher.end(message.turnId);
    const sentences = watcher.events.flatMap(({ data }) => (data.type === 'agent.text' ? [data] : []));
    expect(sentences.map(({ sentence }) => sentence)).toEqual(sentences.map((_, i) => i));
    expect(sentences.length).toBeGreaterThanOrEqual(4);
    await crew.judge([conversationId]);
  });
});
