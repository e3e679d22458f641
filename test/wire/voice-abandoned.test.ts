import { setTimeout as pause } from 'node:timers/promises';
import { closeAbandoned } from '@parley/server/voice/abandoned';
import { textOf } from '@parley/shared/message';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { gate } from '../support/provider.ts';
import { type Recording, recording } from '../support/recording.ts';
import type { SocketClient } from '../support/stock.ts';
import { saying, speech, startVoiceService, type VoiceService } from '../support/voice.ts';
import { type Watch, watch } from '../support/watch.ts';

// A recording whose last segment never comes is closed after a while: one that a client forgot must not stay open for ever.
//
// Guards: the time of the newest segment, looked at again under the session's lock; that a late segment opens it again.

let service: VoiceService;
let app: App;
let ada: SocketClient;

beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: service.env });
  ada = await app.trpc('ada');
});
afterAll(async () => {
  await app.stop();
  await service.close();
});

async function begin(client = ada): Promise<{ watched: Watch; take: Recording; conversationId: string }> {
  const { id: conversationId } = await client.conversations.create.mutate({});
  const watched = watch(client, { conversationId });
  await watched.started;
  return { watched, conversationId, take: recording(client, conversationId) };
}

/** Nothing has come of it for two hours, and the server looks. */
async function forget({ conversationId }: Recording): Promise<void> {
  const at = sql<Date>`clock_timestamp() - interval '2 hours'`;
  const { db } = app.database;
  await db
    .updateTable('voice_sessions')
    .set({ changed_at: at })
    .where('conversation_id', '=', conversationId)
    .execute();
  await look();
}
const look = (): Promise<void> => closeAbandoned(app.server.running.app.voice.ports, 50);

async function statusOf({ conversationId }: Recording, { database } = app): Promise<string | undefined> {
  const rows = database.db.selectFrom('voice_sessions').select('status').where('conversation_id', '=', conversationId);
  return (await rows.executeTakeFirst())?.status;
}

const said = (...numbers: number[]): string => numbers.map(saying).join(' ');

/** All that was sent is transcribed, and nothing more is going to come of it. */
async function understood(watched: Watch, ...numbers: number[]): Promise<void> {
  await watched.find((event) => event.type === 'transcript.partial' && event.text === said(...numbers));
}

async function messages(conversationId: string): Promise<string[]> {
  const { items } = await ada.conversations.messages.query({ conversationId });
  return items.flatMap(({ role, parts }) => (role === 'human' ? textOf(parts) : []));
}

describe('a recording of which nothing more comes', () => {
  it('fails, naming what is missing, and keeps what it has for when the rest comes after all', async () => {
    const { watched, take, conversationId } = await begin();
    const { turnId } = await take.send(0);
    await take.send(2);
    await understood(watched, 0, 2);
    await forget(take);
    const failed = await watched.first('turn.failed');
    expect(failed).toMatchObject({ turnId, code: 'SEGMENTS_MISSING', retryable: true, details: { missing: [1, 3] } });
    const late = await take.send(1);
    expect(late).toMatchObject({ status: 'accepted', missing: [] });
    expect(late.turnId).not.toBe(turnId);
    expect(await take.send(3, { isLast: true })).toMatchObject({ missing: [], turnId: late.turnId });
    expect((await watched.end(late.turnId ?? '')).type).toBe('turn.completed');
    expect(await messages(conversationId)).toEqual([said(0, 1, 2, 3)]);
  });

  it('ends when a segment that is known turns out to be the last', async () => {
    const { watched, take, conversationId } = await begin();
    await take.send(0);
    await take.send(1);
    await understood(watched, 0, 1);
    await forget(take);
    const { turnId } = await watched.first('turn.failed');
    expect(await take.send(0)).toMatchObject({ status: 'duplicate', turnId });
    const ended = await take.send(1, { isLast: true });
    expect(ended).toMatchObject({ status: 'duplicate', missing: [] });
    expect((await watched.end(ended.turnId ?? '')).type).toBe('turn.completed');
    expect(await messages(conversationId)).toEqual([said(0, 1)]);
  });

  it('is none while something comes, however long ago it began', async () => {
    const { watched, take } = await begin();
    await take.send(0);
    await watched.first('transcript.partial');
    const { db } = app.database;
    const long = sql<Date>`clock_timestamp() - interval '2 hours'`;
    const change = (column: 'changed_at' | 'created_at') =>
      db
        .updateTable('voice_sessions')
        .set({ [column]: long })
        .where('conversation_id', '=', take.conversationId);
    await change('created_at').execute();
    await look();
    expect(await statusOf(take)).toBe('open');
    // Should the server itself look now, what comes opens it again.
    await change('changed_at').execute();
    // Not transcribed yet: that it has come is enough.
    const hold = gate();
    service.hear(41, { steps: [hold] });
    await take.send(1, { sound: speech(41) });
    await look();
    expect(await statusOf(take)).toBe('open');
    hold.release();
    await watched.find((event) => event.type === 'transcript.partial' && event.text === `${said(0)} ${saying(41)}`);
    expect(await statusOf(take)).toBe('open');
  });

  it('is not told of when nothing was said, or when its conversation has ended or gone', async () => {
    const [empty, over, gone] = [await begin(), await begin(), await begin()];
    const { voiceSessionId, conversationId } = empty.take;
    await ada.voice.recordingStarted.mutate({ conversationId, voiceSessionId });
    for (const { take, watched } of [over, gone]) {
      await take.send(0);
      await understood(watched, 0);
    }
    await ada.conversations.end.mutate({ conversationId: over.conversationId });
    await ada.conversations.delete.mutate({ conversationId: gone.conversationId });
    for (const { take, watched } of [empty, over, gone]) {
      await forget(take);
      expect([undefined, 'failed']).toContain(await statusOf(take));
      expect(watched.types).not.toContain('turn.failed');
    }
    const { turnId = '' } = await empty.take.send(0, { isLast: true });
    expect((await empty.watched.end(turnId)).type).toBe('turn.completed');
  });
});

it('a server looks by itself, and as long as it is told', async () => {
  const other = await startApp({ env: { ...service.env, VOICE_OPEN_MS: '200' } });
  try {
    const { watched, take } = await begin(await other.trpc('ada'));
    await take.send(0);
    expect(await watched.first('turn.failed')).toMatchObject({ code: 'SEGMENTS_MISSING', details: { missing: [1] } });
    while ((await statusOf(take, other)) !== 'failed') await pause(20);
  } finally {
    await other.stop();
  }
});
