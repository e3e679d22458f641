import { setImmediate as tick } from 'node:timers/promises';
import { clock } from './clock.ts';
import type { Production } from './protocol.ts';

/**
 * Calls `send` with the topics in turn, one event a tick of the event loop. Paced events count from when they are due, so
 * that a producer that is held up does not hide it.
 */
export async function produce(
  { topics, events, perSecond }: Production,
  send: (topic: string) => Promise<unknown> | undefined,
): Promise<{ startedAt: number }> {
  const pending: (Promise<unknown> | undefined)[] = [];
  const startedAt = clock() + (perSecond === undefined ? 0 : 5);
  for (let i = 0; i < events; ) {
    if (perSecond !== undefined && clock() < startedAt + (i * 1000) / perSecond) {
      await tick();
      continue;
    }
    const topic = topics[i++ % topics.length];
    if (topic === undefined) break;
    const sent = send(topic);
    if (perSecond === undefined) await sent;
    else if (sent) pending.push(sent);
    await tick();
  }
  await Promise.all(pending);
  return { startedAt };
}
