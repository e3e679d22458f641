import { expect, it } from 'vitest';
import { answer } from '../support/provider.ts';
import { sharedRedis } from '../support/shared-redis.ts';
import { Line } from '../wire/trpc-line.ts';
import { startCrew } from './crew.ts';

const slowOnes = 3;

// Property 13, through the whole server; test/wire/trpc-slow.test.ts measures the bytes. Guard: the bound on what waits for
// one socket.
it('a subscriber that stops reading is cut off, is told so, and resumes; the others miss nothing', {
  timeout: 60_000,
}, async () => {
  const crew = await startCrew({ redisUrl: sharedRedis().url });
  try {
    const replica = await crew.start();
    const conversationId = await crew.conversation(replica);
    const watcher = await crew.watch(conversationId, [replica]);
    const piece = `${'word '.repeat(12_000)}\n`;
    const turn = async (text: string): Promise<void> => {
      crew.provider.script(answer(...Array.from({ length: 25 }, () => piece)));
      const message = crew.message(conversationId, text);
      await message.to(replica);
      await watcher.end(message.turnId);
    };
    const token = await crew.token('ada');
    const lines = await Promise.all(
      Array.from({ length: slowOnes }, () => Line.open(replica.ws, { params: { token } })),
    );
    for (const line of lines) line.call(1, 'subscription', 'conversations.events', { conversationId });
    await Promise.all(lines.map((line) => line.answered(1)));
    for (const line of lines) line.ws.pause();

    const subscriptions = async (): Promise<number> => {
      const page = await (await fetch(`${replica.url}/metrics`)).text();
      return Number(/^parley_subscriptions(?:\{[^}]*\})? (\d+)$/m.exec(page)?.[1]);
    };
    expect(await subscriptions()).toBe(slowOnes + 1);
    // The kernel takes some megabytes for each before the server has to.
    for (let i = 0; (await subscriptions()) > 1; i++) {
      expect(i).toBeLessThan(40);
      await turn(`flood ${i}`);
    }

    for (const line of lines) line.ws.resume();
    for (const line of lines) {
      expect(await line.closed).toEqual({ code: 1013, reason: 'SLOW_CONSUMER' });
      expect(line.failure(1)).toMatchObject({ reason: 'SLOW_CONSUMER', retryable: true });
    }
    // Each has an unbroken beginning of what there was, and goes on from there.
    const ids = watcher.events.map(({ id }) => id);
    for (const line of lines.slice(0, 2)) {
      const seen = line
        .of(1)
        .flatMap(({ result }) =>
          typeof result === 'object' && result !== null && 'id' in result ? [String(result.id)] : [],
        );
      expect(seen).toEqual(ids.slice(ids.indexOf(seen[0] ?? ''), ids.indexOf(seen.at(-1) ?? '') + 1));
      const until = ids.indexOf(seen.at(-1) ?? '') + 1;
      const resumed = await crew.watch(conversationId, [replica], {
        name: 'resumed',
        conversationId,
        events: watcher.events.slice(0, until),
      });
      const last = ids.at(-1);
      await resumed.find(
        () => resumed.events.at(-1)?.id === last || resumed.events.some(({ data }) => data.type === 'gap'),
      );
    }
    await crew.judge();
  } finally {
    await crew.stop();
  }
});
