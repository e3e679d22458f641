import { eventId } from '@parley/server/live/id';
import { newId } from '@parley/shared/id';
import fc from 'fast-check';
import { expect } from 'vitest';
import { type LiveBench, Replica, Story, Watcher } from './live-story.ts';

/** What happens to a conversation, in any order. Numbers choose among what is there. */
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('tell' as const), size: fc.integer({ min: 1, max: 4 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('burst' as const), size: fc.integer({ min: 2, max: 6 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('subscribe' as const), where: fc.nat(1) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('resume' as const), where: fc.nat(1), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('foreign' as const), where: fc.nat(1), seq: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('trim' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('take over' as const), where: fc.nat(1) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  ),
  { minLength: 5, maxLength: 40 },
);

/**
 * The model is the story: the list of words told so far. However it is told, trimmed, lost and resumed, each subscriber ends
 * with exactly the story; each event goes on where the one before it, or the gap's snapshot, left off.
 */
export async function checkModel(open: () => Promise<LiveBench>, runs: number): Promise<void> {
  const bench = await open();
  const replicas = bench.logs.map((log) => new Replica(log));
  const at = (where: number) => replicas[where] ?? replicas[0];
  const property = fc.asyncProperty(steps, async (list) => {
    const id = newId();
    const watchers: Watcher[] = [];
    let losses = 0;
    const add = (where: number, lastEventId?: string, watcher = new Watcher()) => {
      at(where)?.watch(id, lastEventId, watcher);
      watchers.push(watcher);
    };
    let story = new Story(bench.logs[0], id);
    const { epoch } = await story.begin();
    const settle = async () => {
      // A log that was lost is begun again by the next word.
      await story.tell();
      for (const watcher of watchers) {
        await watcher.until(({ text }) => text.length >= story.text.length);
        expect(watcher.text).toBe(story.text);
      }
    };
    for (const step of list) {
      if (step.do === 'tell') await story.tell(step.size);
      else if (step.do === 'burst') await Promise.all(Array.from({ length: step.size }, () => story.tell()));
      else if (step.do === 'subscribe') add(step.where);
      else if (step.do === 'foreign') add(step.where, eventId(epoch - 1, step.seq));
      else if (step.do === 'resume') {
        const of = watchers[step.which % Math.max(1, watchers.length)];
        const last = of?.seen[step.which % Math.max(1, of.seen.length)];
        if (of && last) add(step.where, last.id, of.resumed(last.id));
      } else if (step.do === 'trim') {
        await bench.trim(id);
        losses++;
      } else if (step.do === 'lose') {
        await bench.logs[0].forget(id);
        losses++;
      } else if (step.do === 'take over') story = story.takeOver(bench.logs[step.where] ?? bench.logs[0]);
      else await settle();
    }
    await settle();
    // One for a foreign id; one for a loss, and one more when the lost log was looked at before it was begun again.
    for (const watcher of watchers) expect(watcher.gaps).toBeLessThanOrEqual(2 * losses + 1);
    for (const replica of replicas) replica.feed.endAll();
  });
  try {
    await fc.assert(property, { numRuns: runs, timeout: 3_000 });
  } finally {
    for (const replica of replicas) replica.feed.endAll();
    await bench.close();
  }
}
