import { newId } from '@parley/shared/id';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate } from '../support/provider.ts';
import { redisKeys } from '../support/redis-keys.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { watch } from '../support/watch.ts';
import { text } from './turn-talk.ts';

// What a replica that died leaves of a conversation's end or deletion: committed, and told to nobody.

let app: App;
let ada: SocketClient;
beforeAll(async () => {
  app = await startApp({ redis: true, env: { LEASE_MS: '1000' } });
  ada = await app.trpc('ada');
});
afterAll(() => app.stop());

async function begin() {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  return { conversationId, watched };
}

const aMinuteAgo = sql<Date>`clock_timestamp() - interval '1 minute'`;

/** As a replica that died right after the commit leaves it. */
async function endWithoutAWord(conversationId: string): Promise<void> {
  await app.database.db
    .updateTable('conversations')
    .set({ status: 'ended', ended_at: aMinuteAgo, end_told: false })
    .where('id', '=', conversationId)
    .execute();
}

describe('a conversation whose end nobody told', () => {
  // Guard: the sweep's look for untold ends.
  it('is told of by the sweep, with what ran and waited interrupted', async () => {
    const { conversationId, watched } = await begin();
    const requests = app.provider.requests.length;
    app.provider.script(answer('So far', gate()));
    const running = await ada.turns.send.mutate({ conversationId, parts: text('one') });
    await watched.first('agent.delta', running.turnId);
    const waiting = await ada.turns.send.mutate({ conversationId, parts: text('two'), onBusy: 'queue' });
    await endWithoutAWord(conversationId);
    await watched.first('conversation.ended');
    for (const { turnId } of [running, waiting]) expect((await watched.end(turnId)).type).toBe('turn.interrupted');
    expect(app.provider.requests.length).toBe(requests + 1);
    expect(await reasonOf(ada.turns.send.mutate({ conversationId, parts: text('x') }))).toBe('CONVERSATION_ENDED');
    expect(await ada.conversations.end.mutate({ conversationId })).toMatchObject({ status: 'ended' });
    expect(watched.all('conversation.ended')).toHaveLength(1);
    watched.stop();
  });

  // Guard: the same when the client asks again (`closeConversation`); told once, whoever asks (`claimEnd`).
  it('is told of when it is ended again, once', async () => {
    const { conversationId, watched } = await begin();
    await endWithoutAWord(conversationId);
    await Promise.all([1, 2, 3].map(() => ada.conversations.end.mutate({ conversationId })));
    await watched.first('conversation.ended');
    await ada.conversations.end.mutate({ conversationId });
    const late = watch(ada, { conversationId, lastEventId: watched.seen[0]?.id ?? '' });
    await late.started;
    expect(watched.all('conversation.ended')).toHaveLength(1);
    late.stop();
    watched.stop();
  });

  // Guard: nothing is promoted in a conversation that has ended (`Takeover`).
  it('does not answer what waited in it', async () => {
    const { conversationId, watched } = await begin();
    const requests = app.provider.requests.length;
    await endWithoutAWord(conversationId);
    const turnId = newId();
    await sql`
      insert into turns (id, conversation_id, tenant_id, user_id, input, status, request_hash, request, created_at)
      values (${turnId}, ${conversationId}, 'acme', 'ada', 'text', 'queued', '', '{"parts":[]}', ${aMinuteAgo})
    `.execute(app.database.db);
    expect((await watched.end(turnId)).type).toBe('turn.interrupted');
    await watched.first('conversation.ended');
    expect(app.provider.requests.length).toBe(requests);
    watched.stop();
  });
});

describe('a conversation whose deletion nobody told', () => {
  // Guard: `erase` tells its subscribers before it erases.
  it('is told of by the sweep, and erased', async () => {
    const { conversationId, watched } = await begin();
    await ada.turns.ask.mutate({ conversationId, parts: text('forget me') });
    expect(await redisKeys(conversationId)).not.toEqual([]);
    const { db } = app.database;
    await db.updateTable('conversations').set({ deleted_at: aMinuteAgo }).where('id', '=', conversationId).execute();
    expect(await watched.ended).toBeUndefined();
    expect(watched.types.at(-1)).toBe('conversation.deleted');
    await expect.poll(() => redisKeys(conversationId)).toEqual([]);
    const rows = () => db.selectFrom('conversations').select('id').where('id', '=', conversationId).execute();
    await expect.poll(rows).toEqual([]);
  });
});

describe('a turn that never ran', () => {
  // Guard: what tells of it says that it has ended, so that the log takes nothing more of it (`announceUnrun`).
  it('has one end, also when nobody could note that it had been told', async () => {
    const { db } = app.database;
    const { conversationId, watched } = await begin();
    const held = gate();
    app.provider.script(answer('Begun.', held));
    const running = await ada.turns.send.mutate({ conversationId, parts: text('one') });
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts: text('two'), onBusy: 'queue' });
    await sql
      .raw(`
      create function refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$;
      create trigger refuse before update of announced on turns for each row when (new.id = '${turnId}')
        execute function refuse()`)
      .execute(db);
    expect(await reasonOf(ada.turns.interrupt.mutate({ conversationId, turnId }))).toBe('INTERNAL');
    await watched.end(turnId);
    await sql`drop trigger refuse on turns`.execute(db);
    const noted = () => db.selectFrom('turns').select('announced').where('id', '=', turnId).execute();
    await expect.poll(noted).toEqual([{ announced: true }]);
    held.release();
    await watched.end(running.turnId);
    expect(watched.all('turn.interrupted', turnId)).toHaveLength(1);
    watched.stop();
  });

  // Guard: the sweep tells all of it (`owner === null` in `Takeover`), in its user's language.
  it('is told of whole by the sweep when nobody has', async () => {
    const zhang = await app.trpc('zhang');
    await zhang.account.updateProfile.mutate({ locale: 'zh-CN' });
    const { id: conversationId } = await zhang.conversations.create.mutate({});
    const watched = watch(zhang, { conversationId });
    await watched.started;
    const turnId = newId();
    const request = JSON.stringify({ parts: [], audio: 'take-1', details: { missing: [1, 2] } });
    await sql`
      insert into turns (id, conversation_id, tenant_id, user_id, input, status, code, request_hash, request, ended_at)
      values (${turnId}, ${conversationId}, 'acme', 'zhang', 'voice', 'failed', 'SEGMENTS_MISSING', '', ${request},
        ${aMinuteAgo})`.execute(app.database.db);
    expect(await watched.end(turnId)).toMatchObject({
      code: 'SEGMENTS_MISSING',
      message: expect.stringMatching(/\p{Script=Han}/u),
      details: { missing: [1, 2] },
      voiceSessionId: 'take-1',
    });
    expect(watched.types[0]).toBe('turn.started');
    watched.stop();
  });
});
