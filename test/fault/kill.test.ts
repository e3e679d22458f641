import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fault, Replica } from '../support/replica.ts';
import { sharedRedis } from '../support/shared-redis.ts';
import { type Crew, type Sending, startCrew } from './crew.ts';
import { chains, steps } from './step.ts';

// Properties 1 to 5, at every step of a turn's life: one of two replicas on a shared Redis dies, stops past its lease and
// comes back, or is asked to leave. Whatever the step, the oracle must find that what clients were told is what is stored.
//
// Their clocks are twenty minutes apart (property 15): leases are on the database's clock and on monotonic ones.
//
// Guards: the turn's primary key under the conversation's lock (accept), the takeover of expired leases, the generation in
// `endTurn` and in the log's fence, the lease's own clock in the recorder, the record of what was delivered, the repeated
// announcement of ends.

const minutes = (count: number) => String(count * 60_000);

let crew: Crew;
let survivor: Replica;

beforeAll(async () => {
  crew = await startCrew({ redisUrl: sharedRedis().url });
  survivor = await crew.start({ CLOCK_OFFSET_MS: minutes(-10) });
});
afterAll(() => crew.stop());

/** Sends to a replica that is struck on the way, then again to the other one until that has it. */
async function sendTwice(victim: Replica, fault: Fault, message: Sending): Promise<void> {
  const patience = new AbortController();
  const { struck } = await victim.fault({ ...fault, id: message.turnId });
  const first = message.attempt(victim, patience.signal);
  await struck;
  // A stopped process keeps its connections open and answers nothing.
  if (fault.signal === 'SIGSTOP') setTimeout(() => patience.abort(), 100);
  const answer = await first;
  if (answer === 'new') expect(message.acknowledged).toBe(true);
  for (;;) {
    const again = await message.attempt(survivor);
    if (again === 'new' || again === 'duplicate') return;
    expect(['UNAVAILABLE', 'TURN_IN_PROGRESS']).toContain(again);
  }
}

/** A turn that something happens to on its way, with one who watches from either side. */
async function begin(victim: Replica, fault: Fault) {
  const conversationId = await crew.conversation(survivor);
  const [near, far] = await Promise.all([
    crew.watch(conversationId, [victim, survivor]),
    crew.watch(conversationId, [survivor]),
  ]);
  await crew.exchange(conversationId, survivor, [near, far]);
  const message = crew.message(conversationId);
  await sendTwice(victim, fault, message);
  await far.end(message.turnId);
  return { conversationId, near, far, message };
}

type Story = Awaited<ReturnType<typeof begin>>;

async function goOn({ conversationId, near, far, message }: Story): Promise<void> {
  await near.end(message.turnId);
  const next = crew.message(conversationId, 'and now');
  await next.to(survivor);
  await Promise.all([near.end(next.turnId), far.end(next.turnId)]);
}

describe.each(['SIGKILL', 'SIGTERM'] as const)('%s', (signal) => {
  it.concurrent.each(steps)('at %s loses nothing and tells nothing twice', { timeout: 60_000 }, async (step) => {
    const victim = await crew.start({ CLOCK_OFFSET_MS: minutes(10) });
    const story = await begin(victim, { step, signal });
    expect(await victim.exited).toBe(signal === 'SIGKILL' ? 'SIGKILL' : 0);
    await goOn(story);
    await crew.judge([story.conversationId]);
  });
});

describe('SIGSTOP past the lease', () => {
  // One after the other on one victim, which is as good as new each time that it comes back.
  it.concurrent.each(chains)(
    'at %s, %s, %s … loses nothing and tells nothing twice',
    { timeout: 90_000 },
    async (...chain) => {
      const victim = await crew.start({ CLOCK_OFFSET_MS: minutes(10) });
      const stories: Story[] = [];
      for (const step of chain) {
        const story = await begin(victim, { step, signal: 'SIGSTOP' });
        const { conversationId, near, message } = story;
        // Who resumes elsewhere, and who stays until it comes back, are told the same.
        await (await crew.watch(conversationId, [survivor], near)).end(message.turnId);
        victim.signal('SIGCONT');
        await goOn(story);
        stories.push(story);
      }
      // Drained, it has nothing more to say of turns that are not its own any more.
      expect(await victim.terminate()).toBe(0);
      await crew.judge(stories.map(({ conversationId }) => conversationId));
    },
  );
});
