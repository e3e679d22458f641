import { sql } from 'kysely';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { type Crew, startCrew } from './crew.ts';
import { chains, steps } from './step.ts';

// Properties 1 to 5 with one replica, whose event log is its own memory: killed at every step of a turn, its successor finds
// only what is in Postgres. Guards: the record of what is about to be delivered (`progress`, awaited before delivery), the
// gap that a subscriber takes in the successor's log, the repeated announcement of ends.

async function withCrew(test: (crew: Crew) => Promise<void>, leaseMs = 1_000): Promise<void> {
  const crew = await startCrew({ leaseMs });
  try {
    await test(crew);
  } finally {
    await crew.stop();
  }
}

describe('one replica', () => {
  // Each successor is the next one to be killed.
  it.concurrent.each(chains)(
    'killed at %s, %s, %s … has a successor that loses nothing',
    { timeout: 60_000 },
    (...chain) =>
      withCrew(async (crew) => {
        let replica = await crew.start();
        const replicas = [replica];
        const conversationId = await crew.conversation(replica);
        const watcher = await crew.watch(conversationId, replicas);
        await crew.exchange(conversationId, replica, [watcher]);
        for (const step of chain) {
          const message = crew.message(conversationId);
          const { struck } = await replica.fault({ step, signal: 'SIGKILL', id: message.turnId });
          await message.attempt(replica);
          await struck;
          await replica.exited;
          replica = await crew.start();
          replicas.push(replica);
          await message.to(replica);
          await watcher.end(message.turnId);
          const next = crew.message(conversationId, 'and now', { onBusy: 'queue' });
          await next.to(replica);
          await watcher.end(next.turnId);
        }
        await crew.judge();
      }),
  );

  // Guard: a replica with a log of its own announces what its predecessor left before anybody subscribes.
  it('killed when its end was seen and not yet noted does not tell it again', { timeout: 60_000 }, () =>
    withCrew(async (crew) => {
      const { db, connection } = crew.database;
      const holder = new pg.Client(connection);
      await holder.connect();
      await holder.query(`
        create function hold() returns trigger language plpgsql as
          $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
        create trigger hold before update of announced on turns for each row execute function hold();
        select pg_advisory_lock(1)`);
      const first = await crew.start();
      const replicas = [first];
      const conversationId = await crew.conversation(first);
      const watcher = await crew.watch(conversationId, replicas);
      const message = crew.message(conversationId);
      await message.to(first);
      await watcher.find((event) => event.type === 'turn.completed');
      const held = sql`from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      await expect
        .poll(async () => (await sql`select pid ${held}`.execute(db)).rows, { timeout: 10_000 })
        .toHaveLength(1);
      await first.kill();
      // What the dead had asked for would still be done.
      await sql`select pg_terminate_backend(pid) ${held}`.execute(db);
      await holder.query('drop trigger hold on turns');
      await holder.end();
      expect(await db.selectFrom('turns').select('announced').execute()).toEqual([{ announced: false }]);
      const second = await crew.start();
      replicas.push(second);
      await watcher.find((event) => event.type === 'gap');
      const next = crew.message(conversationId, 'and now');
      await next.to(second);
      await watcher.end(next.turnId);
      await crew.judge();
      expect(watcher.events.filter(({ data }) => data.type === 'turn.completed')).toHaveLength(2);
    }, 8_000),
  );

  it.concurrent('stopped past its lease at any step goes on, since nobody took over', { timeout: 60_000 }, () =>
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
