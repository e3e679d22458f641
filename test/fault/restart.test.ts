import type { Checkpoint } from '@parley/server/turn/checkpoint';
import { describe, expect, it } from 'vitest';
import { type Crew, startCrew } from './crew.ts';

// Properties 1 to 5 with one replica, whose event log is its own memory: killed at every step of a turn, its successor finds
// only what is in Postgres. Guards: the record of what is about to be delivered (`progress`, awaited before delivery), the
// gap that a subscriber takes in the successor's log, the repeated announcement of ends.

const steps: readonly Checkpoint[] = [
  'accept.commit',
  'accept.committed',
  'turn.begun',
  'append.before',
  'append.after',
  'delta.first',
  'settle.before',
  'settle.commit',
  'settle.committed',
  'terminal.before',
  'terminal.after',
];

async function withCrew(test: (crew: Crew) => Promise<void>): Promise<void> {
  const crew = await startCrew();
  try {
    await test(crew);
  } finally {
    await crew.stop();
  }
}

describe('one replica', () => {
  it.concurrent.each(steps)('killed at %s has a successor that loses nothing', { timeout: 60_000 }, (step) =>
    withCrew(async (crew) => {
      const first = await crew.start();
      const replicas = [first];
      const conversationId = await crew.conversation(first);
      const watcher = await crew.watch(conversationId, replicas);
      const message = crew.message(conversationId);
      const { struck } = await first.fault({ step, signal: 'SIGKILL', id: message.turnId });
      await message.attempt(first);
      await struck;
      await first.exited;
      const second = await crew.start();
      replicas.push(second);
      await message.to(second);
      await watcher.end(message.turnId);
      const next = crew.message(conversationId, 'and now');
      for (let sent = ''; sent !== 'new' && sent !== 'duplicate'; ) {
        sent = await next.attempt(second);
        expect(['new', 'duplicate', 'TURN_IN_PROGRESS']).toContain(sent);
      }
      await watcher.end(next.turnId);
      await crew.judge();
    }),
  );

  it('stopped past its lease at any step goes on, since nobody took over', { timeout: 60_000 }, () =>
    withCrew(async (crew) => {
      const replica = await crew.start();
      const conversationId = await crew.conversation(replica);
      const watcher = await crew.watch(conversationId, [replica]);
      // Within a transaction the database takes its locks away: the other tests have that.
      for (const step of steps.filter((name) => !name.endsWith('.commit'))) {
        const message = crew.message(conversationId, step);
        const { struck } = await replica.fault({ step, signal: 'SIGSTOP', id: message.turnId });
        const sent = message.to(replica);
        await struck;
        setTimeout(() => replica.signal('SIGCONT'), 1_200);
        expect(await sent).toBe('new');
        await watcher.end(message.turnId);
      }
      await crew.judge();
      expect(crew.provider.requests).toHaveLength(9);
    }),
  );
});
