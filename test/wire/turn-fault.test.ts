import { ProgressWriter } from '@parley/server/turn/progress';
import { newId } from '@parley/shared/id';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate } from '../support/provider.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { startVoiceService, type VoiceService } from '../support/voice.ts';
import { watch } from '../support/watch.ts';
import { said, text } from './turn-talk.ts';

// What PostgreSQL does in the middle of a turn, on one replica with leases that nothing outlives.

let service: VoiceService;
let app: App;
let ada: SocketClient;
beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: { ...service.env, LEASE_MS: '600000' } });
  ada = await app.trpc('ada');
});
afterAll(async () => {
  await app.stop();
  await service.close();
});

describe('a turn that another replica stores', () => {
  // Guard: what the unique indexes refuse to `acceptAtOnce` is looked at again under the conversation's lock.
  it('between the snapshot of an acceptance and its insert is found', async () => {
    const { db, connection } = app.database;
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const holder = new pg.Client(connection);
    await holder.connect();
    await holder.query(`
      create function hold() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
      create trigger hold before update on conversations for each row when (new.id = '${conversationId}')
        execute function hold();
      select pg_advisory_lock(1)`);
    const refused = reasonOf(ada.turns.send.mutate({ conversationId, parts: text('late') }));
    const held = sql`select pid from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`;
    await expect.poll(async () => (await held.execute(db)).rows, { timeout: 10_000 }).toHaveLength(1);
    await sql`
      insert into turns (id, conversation_id, tenant_id, user_id, input, status, request_hash, request, owner, lease_until)
      values (${newId()}, ${conversationId}, 'acme', 'ada', 'text', 'running', '', '{"parts":[]}', 'elsewhere',
        clock_timestamp() + interval '1 hour')`.execute(db);
    await holder.query('select pg_advisory_unlock(1)');
    expect(await refused).toBe('TURN_IN_PROGRESS');
    expect(await said(ada, conversationId)).toEqual([]);
    await holder.query('drop trigger hold on conversations');
    await holder.end();
  });
});

describe('a turn whose end cannot be told', () => {
  // Guard: `conclude` starts the next turn whatever becomes of the announcement.
  it('does not hold up the one that waits behind it', async () => {
    const { db } = app.database;
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const watched = watch(ada, { conversationId });
    await watched.started;
    const held = gate();
    app.provider.script(answer('Begun.', held));
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts: text('first') });
    await watched.first('agent.delta', turnId);
    const next = await ada.turns.send.mutate({ conversationId, parts: text('second'), onBusy: 'queue' });
    await sql`create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$`.execute(
      db,
    );
    await sql
      .raw(`create trigger refuse before update of announced on turns for each row when (new.id = '${turnId}')
        execute function refuse()`)
      .execute(db);
    held.release();
    expect((await watched.end(next.turnId)).type).toBe('turn.completed');
    expect(await said(ada, conversationId)).toEqual([
      'human: first',
      'agent: Begun.',
      'human: second',
      'agent: You said: second. 1 2 3',
    ]);
    await sql`drop trigger refuse on turns`.execute(db);
  });
});

describe('the sound of an answer', () => {
  // Guard: `discard`, when a turn that has kept its sound finds that it is not its own any more.
  it('is not kept when somebody else has taken the turn over', async () => {
    const { db } = app.database;
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const watched = watch(ada, { conversationId });
    await watched.started;
    const held = gate();
    app.provider.script(answer('It was heard. And ', held));
    const parts = text('aloud');
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: { keep: true } });
    await watched.first('agent.audio', turnId);
    await db.updateTable('turns').set({ generation: 2, owner: 'elsewhere' }).where('id', '=', turnId).execute();
    const written = () =>
      db.selectFrom('attachments').selectAll().where('conversation_id', '=', conversationId).execute();
    held.release();
    await app.server.running.app.runner.idle();
    expect(await written()).toEqual([]);
    expect(await said(ada, conversationId)).toEqual(['human: aloud']);
  });
});

describe('an answer that the database refuses', () => {
  // Guard: what was refused as a batch is recorded one by one (`ProgressWriter`).
  it('does not fail those that are recorded with it', async () => {
    const { db } = app.database;
    const progress = new ProgressWriter(db);
    const running = await Promise.all(
      ['a', 'b', 'c'].map(async (words) => {
        const { id: conversationId } = await ada.conversations.create.mutate({});
        app.provider.script(answer(gate()));
        const { turnId } = await ada.turns.send.mutate({ conversationId, parts: text(words) });
        return { id: turnId, generation: 1, conversationId };
      }),
    );
    const [first, second, third] = running.map(({ id, generation }) => ({ id, generation, bubbles: ['so far'] }));
    if (!first || !second || !third) throw new Error('three turns');
    // The first is on its way when the others come, which then go together.
    const written = await Promise.allSettled([
      progress.write(first),
      progress.write({ ...second, bubbles: ['so\0far'] }),
      progress.write(third),
    ]);
    expect(written.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    for (const { conversationId } of running) await ada.turns.interrupt.mutate({ conversationId });
  });
});
