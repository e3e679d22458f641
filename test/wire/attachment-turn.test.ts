import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { saveSpeech } from '@parley/server/files/speech-file';
import { FileSweep } from '@parley/server/files/sweep';
import { newId } from '@parley/shared/id';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FileApp, fetchFile, png, post, startFileApp } from '../support/attachment.ts';
import { answer, gate } from '../support/provider.ts';
import { failureOf, reasonOf } from '../support/stock.ts';
import { watch } from '../support/watch.ts';

let app: FileApp;
beforeAll(async () => {
  app = await startFileApp();
});
afterAll(() => app.stop());

const text = (words: string) => ({ type: 'text' as const, text: words });
const attached = (attachmentId: string) => ({ type: 'attachment' as const, attachmentId });
const owner = { tenant: 'acme', userId: 'ada' };

async function upload(filename = 'photo.png', user = 'ada') {
  return (await post(app, png, { filename, user })).attachment;
}

const sweep = () => new FileSweep(app.server.running.app.turns).sweep();

describe('a turn with attachments', () => {
  it('stores them as parts, tells the model their names, and is previewed by them', async () => {
    const ada = await app.trpc('ada');
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const photo = await upload();
    const asked = app.provider.requests.length;
    const parts = [attached(photo.id)];
    const { userMessage } = await ada.turns.ask.mutate({ conversationId, parts });
    const part = { type: 'attachment', attachmentId: photo.id, kind: 'image', filename: 'photo.png' };
    expect(userMessage.parts).toEqual([part]);
    const prompt = app.provider.requests[asked]?.body.messages.at(-1)?.content;
    expect(prompt).toBe('[attachment: photo.png]');

    const second = await upload('相片.png');
    const turn = { conversationId, turnId: newId(), parts: [text('look'), attached(second.id), attached(photo.id)] };
    const watched = watch(ada, { conversationId });
    await watched.started;
    const sent = await ada.turns.send.mutate(turn);
    await watched.end(sent.turnId);
    expect(watched.all('turn.started', sent.turnId)[0]?.parts).toEqual(turn.parts);
    expect(watched.all('message.saved', sent.turnId)[0]?.parts).toEqual([
      text('look'),
      { ...part, attachmentId: second.id, filename: '相片.png' },
      part,
    ]);
    expect(await ada.turns.send.mutate(turn)).toMatchObject({ duplicate: true });
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items[2]?.parts).toHaveLength(3);
  });

  it('with attachments only is previewed by their names', async () => {
    const ada = await app.trpc('ada');
    const { id: conversationId } = await ada.conversations.create.mutate({});
    app.provider.script({ status: 400, steps: [] });
    const parts = [attached((await upload('a.png')).id), attached((await upload('b.png')).id)];
    await ada.turns.ask.mutate({ conversationId, parts });
    const { preview, messageCount } = await ada.conversations.get.query({ conversationId });
    expect([preview, messageCount]).toEqual(['a.png, b.png', 1]);
  });

  it("refuses one that is not there or somebody else's by its id, and leaves no trace of the turn", async () => {
    const ada = await app.trpc('ada');
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const mine = await upload();
    const hers = await upload('hers.png', 'eve');
    for (const attachmentId of [newId(), hers.id]) {
      const turn = { conversationId, parts: [text('look'), attached(mine.id), attached(attachmentId)] };
      for (const call of [ada.turns.send, ada.turns.ask])
        expect(await failureOf(call.mutate(turn))).toMatchObject({ reason: 'NOT_FOUND', details: { attachmentId } });
    }
    expect((await ada.conversations.messages.query({ conversationId })).total).toBe(0);
    const row = await app.database.db
      .selectFrom('attachments')
      .select('conversation_id')
      .where('id', '=', mine.id)
      .executeTakeFirstOrThrow();
    expect(row.conversation_id).toBeNull();
  });

  it('interrupts nothing for the sake of one that is not there', async () => {
    const ada = await app.trpc('ada');
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const held = gate();
    app.provider.script(answer('Half', held, ' more'));
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts: [text('go')] });
    const parts = [attached(newId())];
    expect(await reasonOf(ada.turns.send.mutate({ conversationId, parts, onBusy: 'interrupt' }))).toBe('NOT_FOUND');
    expect((await ada.turns.get.query({ turnId })).status).toBe('running');
    held.release();
  });
});

describe('files go with what they belong to', () => {
  it('a deleted conversation takes its attachments along, and leaves the others', async () => {
    const ada = await app.trpc('ada');
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const { id: other } = await ada.conversations.create.mutate({});
    const [used, kept] = [await upload('used.png'), await upload('kept.png')];
    await ada.turns.ask.mutate({ conversationId, parts: [attached(used.id)] });
    await ada.turns.ask.mutate({ conversationId: other, parts: [attached(kept.id)] });
    const { turns } = app.server.running.app;
    const pcm = [Buffer.alloc(480), Buffer.alloc(0), Buffer.alloc(480, 1)];
    const speech = await saveSpeech(turns.files, turns.db, {
      owner,
      conversationId,
      turnId: newId(),
      pcm,
      sampleRate: 24_000,
    });
    const sound = await fetchFile(app, `/attachments/${speech}`);
    expect(sound.headers.get('content-type')).toBe('audio/wav');
    const wav = Buffer.from(await sound.arrayBuffer());
    expect([wav.length, wav.readUInt32LE(40), wav.readUInt32LE(24)]).toEqual([44 + 960, 960, 24_000]);
    expect(wav.subarray(44)).toEqual(Buffer.concat(pcm));
    const before = app.stored().length;

    await ada.conversations.delete.mutate({ conversationId });
    expect(app.stored()).toHaveLength(before - 2);
    for (const id of [used.id, speech]) {
      expect((await fetchFile(app, `/attachments/${id}`)).status).toBe(404);
      expect(await reasonOf(ada.attachments.get.query({ attachmentId: id }))).toBe('NOT_FOUND');
      expect(await reasonOf(ada.turns.send.mutate({ conversationId: other, parts: [attached(id)] }))).toBe('NOT_FOUND');
    }
    expect((await fetchFile(app, kept.url)).status).toBe(200);
    const { db } = app.database;
    expect(await db.selectFrom('stray_files').selectAll().execute()).toEqual([]);
    // What is kept for a conversation that is gone is not kept.
    const late = saveSpeech(turns.files, turns.db, { owner, conversationId, turnId: newId(), pcm, sampleRate: 24_000 });
    await expect(late).rejects.toMatchObject({ reason: 'NOT_FOUND' });
    expect(app.stored()).toHaveLength(before - 2);
  });

  it('a row cannot go without its file being due', async () => {
    const { id } = await upload();
    const before = app.stored().length;
    await app.database.db.deleteFrom('attachments').where('id', '=', id).execute();
    await sweep();
    expect(app.stored()).toHaveLength(before - 1);
  });

  it('an upload that no message used goes after a day, one that was used stays', async () => {
    const ada = await app.trpc('ada');
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const [unused, used, young] = [await upload(), await upload(), await upload()];
    await ada.turns.ask.mutate({ conversationId, parts: [attached(used.id)] });
    const before = app.stored().length;
    await app.database.db
      .updateTable('attachments')
      .set({ created_at: sql<Date>`clock_timestamp() - interval '25 hours'` })
      .where('id', 'in', [unused.id, used.id])
      .execute();
    await sweep();
    const found = await Promise.all([unused, used, young].map(async ({ url }) => (await fetchFile(app, url)).status));
    expect(found).toEqual([404, 200, 200]);
    expect(app.stored()).toHaveLength(before - 1);
  });

  it('a file that storage lost is not taken for one that never was', async () => {
    const { id, url } = await upload();
    const { storage_key: key } = await app.database.db
      .selectFrom('attachments')
      .select('storage_key')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    rmSync(join(app.folder, key));
    expect((await fetchFile(app, url)).status).toBe(503);
    await app.database.db.deleteFrom('attachments').where('id', '=', id).execute();
    await sweep();
    expect((await fetchFile(app, url)).status).toBe(404);
  });
});
