import { textOf } from '@parley/shared/message';
import type { Heard } from '@parley/shared/turn';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate } from '../support/provider.ts';
import { pcm, tone } from '../support/speech-provider.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { spokenMs, startVoiceService, type VoiceService } from '../support/voice.ts';
import { type Watch, watch } from '../support/watch.ts';

// The heard ledger on two replicas: turns run on the first, the listener may report to either.

let service: VoiceService;
let app: App;
let other: App;
let ada: SocketClient;
let elsewhere: SocketClient;

beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: service.env, redis: true });
  other = await startApp({ env: service.env, redis: true, beside: app });
  [ada, elsewhere] = await Promise.all([app.trpc('ada'), other.trpc('ada')]);
});
afterAll(async () => {
  await other.stop();
  await app.stop();
  await service.close();
});

const sentences = ['I was born near the river. ', 'We had a small garden. ', '我们住在北京。', 'Then came the war.'];

interface Playing {
  conversationId: string;
  turnId: string;
  watched: Watch;
}

/** An answer aloud all of whose sound has been sent; its turn goes on, unless it is to be completed. */
async function playing(completed = false): Promise<Playing> {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(elsewhere, { conversationId });
  await watched.started;
  app.provider.script(answer(...sentences, ...(completed ? [] : [' ', gate()])));
  const parts = [{ type: 'text' as const, text: 'tell me' }];
  const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: true });
  if (completed) await watched.end(turnId);
  // The last sentence may still be growing while the turn goes on.
  const last = sentences.length - (completed ? 1 : 2);
  await watched.find((event) => event.type === 'agent.audio' && event.sentence === last && event.last);
  return { conversationId, turnId, watched };
}

/** What is heard of a sentence whose sound has an even pace: whole words, or single characters of Chinese. */
function heardOf({ sentence, playedMs }: Heard, known = sentences): string {
  const text = known[sentence] ?? '';
  const ratio = playedMs / spokenMs(text);
  let at = ratio >= 1 ? text.length : Math.floor(text.length * ratio);
  while (/[A-Za-z]/.test(text.charAt(at - 1)) && /[A-Za-z]/.test(text.charAt(at))) at--;
  return known.slice(0, sentence).join('') + text.slice(0, at);
}

async function stored(conversationId: string) {
  const { items } = await ada.conversations.messages.query({ conversationId });
  const message = items.find(({ role }) => role === 'agent');
  return { text: textOf(message?.parts ?? []), unheard: message?.unheard ?? '', status: message?.status };
}

/** What the model is told in the next turn that it has said. */
async function remembered(conversationId: string): Promise<string[]> {
  const text = `And after ${conversationId}?`;
  await ada.turns.ask.mutate({ conversationId, parts: [{ type: 'text', text }] });
  const asked = app.provider.requests.find(({ body }) => body.messages.at(-1)?.content.endsWith(text));
  const messages = asked?.body.messages ?? [];
  expect(messages.map(({ role }) => role)).toContain('user');
  return messages.filter(({ role }) => role === 'assistant').map(({ content }) => content);
}

async function expectHeard({ conversationId, watched, turnId }: Playing, heard: Heard): Promise<void> {
  const prefix = heardOf(heard);
  const whole = watched
    .all('agent.delta', turnId)
    .map(({ text }) => text)
    .join('');
  const { text, unheard, status } = await stored(conversationId);
  expect([text, unheard]).toEqual([prefix, whole.slice(prefix.length)]);
  expect(status).toBe('interrupted');
  const prompt = await remembered(conversationId);
  expect(prompt).toEqual(prefix.trim() === '' ? [] : [prefix.trim()]);
}

function expectStopped(watched: Watch, turnId: string): void {
  const types = watched.seen.flatMap(({ data }) => ('turnId' in data && data.turnId === turnId ? data.type : []));
  const stop = types.indexOf('speech.stop');
  expect(stop).toBeGreaterThan(-1);
  expect(types.slice(stop)).not.toContain('agent.audio');
  expect(types.at(-1)).toBe('turn.interrupted');
}

const cut: fc.Arbitrary<Heard> = fc
  .nat(2)
  .chain((sentence) =>
    fc.record({ sentence: fc.constant(sentence), playedMs: fc.nat(spokenMs(sentences[sentence] ?? '')) }),
  );
const way = fc.constantFrom('interrupt', 'interrupt elsewhere', 'report before', 'report after', 'after the end');

async function interruptedAt(heard: Heard, how: string): Promise<void> {
  const play = await playing(how === 'after the end');
  const { conversationId, turnId, watched } = play;
  const report = () => elsewhere.turns.reportPlayback.mutate({ turnId, ...heard });
  const stop = (client: SocketClient, told?: Heard) =>
    client.turns.interrupt.mutate({ conversationId, turnId, ...(told && { heard: told }) });
  if (how === 'interrupt') expect(await stop(ada, heard)).toEqual({ interrupted: true });
  if (how === 'interrupt elsewhere') expect(await stop(elsewhere, heard)).toEqual({ interrupted: true });
  if (how === 'report before') {
    await elsewhere.turns.reportPlayback.mutate({ turnId, sentence: 0, playedMs: 0 });
    await report();
    expect(await stop(ada)).toEqual({ interrupted: true });
  }
  if (how === 'report after') {
    expect(await stop(ada)).toEqual({ interrupted: true });
    expect((await stored(conversationId)).text).toContain(sentences.join(''));
    await report();
    await watched.first('conversation.updated');
  }
  if (how === 'after the end') {
    expect(await stop(elsewhere, heard)).toEqual({ interrupted: false });
    await watched.first('conversation.updated');
  } else {
    await watched.end(turnId);
    expectStopped(watched, turnId);
  }
  await expectHeard(play, heard);
  watched.stop();
}

describe('what was heard', () => {
  it('is what is stored, wherever it is cut, whoever is told of it and when', { timeout: 120_000 }, async () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    await fc.assert(fc.asyncProperty(cut, way, interruptedAt), { numRuns: 20, seed, endOnFailure: true });
  });

  it.each(['interrupt', 'interrupt elsewhere', 'report before', 'report after', 'after the end'])(
    'may be nothing at all: %s',
    (how) => interruptedAt({ sentence: 0, playedMs: 0 }, how),
  );

  it('is the most that was reported, and no more than was sent', async () => {
    const play = await playing();
    const { conversationId, turnId } = play;
    await Promise.all([
      ada.turns.reportPlayback.mutate({ turnId, sentence: 1, playedMs: 100 }),
      elsewhere.turns.reportPlayback.mutate({ turnId, sentence: 99, playedMs: 5 }),
      ada.turns.reportPlayback.mutate({ turnId, sentence: 0, playedMs: 10_000 }),
    ]);
    await ada.turns.interrupt.mutate({ conversationId, heard: { sentence: 0, playedMs: 3 } });
    expect((await stored(conversationId)).text).toBe(sentences.slice(0, 3).join(''));
  });

  it('is told of a completed answer without its id, and only while it is the latest', async () => {
    const { conversationId, watched } = await playing(true);
    const heard = { sentence: 1, playedMs: spokenMs(sentences[1] ?? '') / 2 };
    expect(await ada.turns.interrupt.mutate({ conversationId, heard })).toEqual({ interrupted: false });
    await watched.first('conversation.updated');
    expect((await stored(conversationId)).text).toBe(heardOf(heard));
    const parts = [{ type: 'text' as const, text: 'in writing' }];
    const { reply } = await ada.turns.ask.mutate({ conversationId, parts });
    await ada.turns.interrupt.mutate({ conversationId, heard: { sentence: 0, playedMs: 1 } });
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items.at(-1)).toMatchObject({ id: reply.id, status: 'complete' });
    expect((await stored(conversationId)).text).toBe(heardOf(heard));
  });

  // Guard: an interruption that was too late to interrupt corrects what was stored meanwhile.
  it('counts when the turn was over and only its sound still being kept', async () => {
    const { files, db } = app.server.running.app.turns;
    const write = files.write.bind(files);
    const [keeping, told] = [gate(), gate()];
    vi.spyOn(files, 'write').mockImplementationOnce(async (key, content) => {
      keeping.release();
      await told.released;
      await write(key, content);
    });
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const watched = watch(elsewhere, { conversationId });
    await watched.started;
    app.provider.script(answer(...sentences));
    const parts = [{ type: 'text' as const, text: 'tell me' }];
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: { keep: true } });
    await keeping.released;
    const heard = { sentence: 1, playedMs: 0 };
    const interrupting = ada.turns.interrupt.mutate({ conversationId, turnId, heard });
    const noted = () => db.selectFrom('turns').select('heard').where('id', '=', turnId).execute();
    await expect.poll(noted).toEqual([{ heard }]);
    told.release();
    expect(await interrupting).toEqual({ interrupted: false });
    await watched.first('conversation.updated');
    await expectHeard({ conversationId, turnId, watched }, heard);
    watched.stop();
  });

  it('leaves a completed answer whole that was only played', async () => {
    const { conversationId, turnId } = await playing(true);
    await ada.turns.reportPlayback.mutate({ turnId, sentence: 0, playedMs: 100 });
    expect(await stored(conversationId)).toEqual({ text: sentences.join(''), unheard: '', status: 'complete' });
  });

  it('is told by its listener only, in numbers that can be', async () => {
    const { turnId, conversationId } = await playing(true);
    const eve = await app.trpc('eve');
    const heard = { sentence: 0, playedMs: 1 };
    expect(await reasonOf(eve.turns.reportPlayback.mutate({ turnId, ...heard }))).toBe('NOT_FOUND');
    expect(await reasonOf(eve.turns.interrupt.mutate({ conversationId, turnId, heard }))).toBe('NOT_FOUND');
    for (const bad of [{ sentence: -1 }, { sentence: 0.5 }, { playedMs: -1 }, { playedMs: Number.NaN }])
      expect(await reasonOf(ada.turns.reportPlayback.mutate({ turnId, ...heard, ...bad }))).toBe('INVALID_INPUT');
    expect(await stored(conversationId)).toMatchObject({ status: 'complete' });
  });

  // Guard: a turn that is stopped after its last word still stops its sound (`runTurn`).
  it('stops the sound of an answer that is whole already, and keeps what was heard of it', async () => {
    const held = gate();
    service.speak('garden', pcm(tone(0.2), held));
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const watched = watch(elsewhere, { conversationId });
    await watched.started;
    app.provider.script(answer(...sentences));
    const parts = [{ type: 'text' as const, text: 'tell me' }];
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: true });
    await watched.find((event) => event.type === 'agent.text' && event.sentence === sentences.length - 1);
    await watched.find((event) => event.type === 'agent.audio' && event.sentence === 0 && event.last);
    const heard = { sentence: 0, playedMs: spokenMs(sentences[0] ?? '') };
    expect(await ada.turns.interrupt.mutate({ conversationId, turnId, heard })).toEqual({ interrupted: true });
    held.release();
    await watched.end(turnId);
    expectStopped(watched, turnId);
    await expectHeard({ conversationId, turnId, watched }, heard);
    watched.stop();
  });

  // Guard: whose speech was stopped by itself is not measured by its sound (`isRead` in `runTurn`).
  it.each(['while it goes on', 'after its end'])(
    'does not count for who has stopped the speech and reads on: interrupted %s',
    async (when) => {
      const more = gate();
      const { id: conversationId } = await ada.conversations.create.mutate({});
      const watched = watch(elsewhere, { conversationId });
      await watched.started;
      app.provider.script(answer(...sentences, more, ' Then the spring.'));
      const parts = [{ type: 'text' as const, text: 'tell me' }];
      const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: true });
      await watched.find((event) => event.type === 'agent.audio' && event.sentence === 0 && event.last);
      await ada.turns.stopSpeaking.mutate({ conversationId });
      await watched.first('speech.stop');
      const heard = { sentence: 0, playedMs: 100 };
      await elsewhere.turns.reportPlayback.mutate({ turnId, ...heard });
      await watched.find((event) => event.type === 'agent.delta' && event.text.includes('war'));
      if (when === 'after its end') {
        more.release();
        await watched.end(turnId);
      }
      await ada.turns.interrupt.mutate({ conversationId, turnId, heard });
      more.release();
      await watched.end(turnId);
      const whole = sentences.join('');
      expect((await stored(conversationId)).text).toBe(when === 'after its end' ? `${whole} Then the spring.` : whole);
      expect(watched.all('speech.stop')).toHaveLength(1);
      watched.stop();
    },
  );
});
