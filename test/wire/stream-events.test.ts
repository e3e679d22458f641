import { type Event, eventSchema, type Tracked } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, chunk, done, finish, gate, text as piece, stream, usage } from '../support/provider.ts';
import { reasonOf, type SocketClient } from '../support/stock.ts';
import { type Watch, watch } from '../support/watch.ts';

let app: App;
let ada: SocketClient;
beforeAll(async () => {
  app = await startApp({ env: { MODEL_ATTEMPTS: '1' } });
  ada = await app.trpc('ada');
});
afterAll(() => app.stop());

const text = (words: string) => [{ type: 'text' as const, text: words }];
const joined = (events: readonly { text: string }[]) => events.map((event) => event.text).join('');

async function started() {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  const send = async (words = 'hi') => await ada.turns.send.mutate({ conversationId, parts: text(words) });
  return { conversationId, watched, send };
}

/** The rules of order that hold within any turn. */
function checkOrder(events: readonly Event[], turnId: string): void {
  const own = events.filter((event) => 'turnId' in event && event.turnId === turnId);
  const at = (fits: (event: Event) => boolean) => own.findIndex(fits);
  expect(own[0]?.type).toBe('turn.started');
  expect(own.filter(({ type }) => type === 'turn.started')).toHaveLength(1);
  expect(own.filter(isTerminal)).toHaveLength(1);
  expect(own.slice(-1).every(isTerminal)).toBe(true);
  const human = at((event) => event.type === 'message.saved' && event.role === 'human');
  const agent = at((event) => event.type === 'message.saved' && event.role === 'agent');
  const spoken = at(({ type }) => type.startsWith('agent.'));
  if (spoken >= 0) expect(human).toBeLessThan(spoken);
  if (agent >= 0) expect(own.slice(agent).every(({ type }) => !type.startsWith('agent.'))).toBe(true);
  const sentences = own.flatMap((event) => (event.type === 'agent.text' ? event.sentence : []));
  expect(sentences).toEqual(sentences.map((_, i) => i));
}

function checkIds(seen: readonly Tracked[]): void {
  const ids = seen.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)].sort());
  for (const { data } of seen) expect(eventSchema.safeParse(data)).toMatchObject({ success: true });
}

const spokenBy = (watched: Watch, turnId: string) => ({
  deltas: watched.all('agent.delta', turnId),
  sentences: watched.all('agent.text', turnId),
});

describe('where conversations.get says to follow from', () => {
  it('is behind what has been, and before all of a turn that runs', async () => {
    const { conversationId, watched, send } = await started();
    const { turnId: first } = await send();
    await watched.end(first);
    const { lastEventId: idle } = await ada.conversations.get.query({ conversationId });
    const second = gate();
    app.provider.script(answer('One. ', second, 'Two.'));
    const { turnId } = await send();
    await watched.first('agent.delta', turnId);
    const { lastEventId: running } = await ada.conversations.get.query({ conversationId });
    second.release();
    await watched.end(turnId);
    const own = watched.seen.slice(watched.seen.findIndex(({ data }) => 'turnId' in data && data.turnId === turnId));
    for (const lastEventId of [idle, running]) {
      const late = watch(ada, { conversationId, lastEventId });
      await late.end(turnId);
      expect(late.seen).toEqual(own);
      late.stop();
    }
  });
});

describe('the events of a turn', () => {
  it('come in order, each valid, with deltas and sentences that both give the stored answer', async () => {
    const { conversationId, watched, send } = await started();
    app.provider.script(answer('It is 3.14. ', 'Dr. Li said so.', ' 真的吗？是的。', ' End'));
    const { turnId, userMessageId } = await send();
    const last = await watched.end(turnId);
    const events = watched.seen.map(({ data }) => data);
    checkOrder(events, turnId);
    checkIds(watched.seen);
    expect(
      events.every((event) => event.conversationId === conversationId && Math.abs(event.at - Date.now()) < 60_000),
    ).toBe(true);
    expect(events[0]).toMatchObject({ userMessageId, input: 'text', parts: text('hi') });
    const { deltas, sentences } = spokenBy(watched, turnId);
    const whole = 'It is 3.14. Dr. Li said so. 真的吗？是的。 End';
    expect(joined(deltas)).toBe(whole);
    expect(joined(sentences)).toBe(whole);
    expect(sentences.length).toBeGreaterThan(3);
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(items[1]?.parts).toEqual(text(whole));
    expect(last).toMatchObject({ type: 'turn.completed', messageId: items[1]?.id });
    expect(watched.all('message.saved').map(({ id, role, message }) => [id, role, message.parts])).toEqual(
      items.map(({ id, role, parts }) => [id, role, parts]),
    );
  });

  it('hold also for a turn that fails', async () => {
    const { watched, send } = await started();
    app.provider.script(stream(piece('Half. And'), done));
    const { turnId } = await send();
    expect(await watched.end(turnId)).toMatchObject({
      type: 'turn.failed',
      code: 'MODEL_INCOMPLETE',
      retryable: true,
      message: 'The answer broke off.',
      messageId: expect.any(String),
    });
    checkOrder(
      watched.seen.map(({ data }) => data),
      turnId,
    );
    const { deltas, sentences } = spokenBy(watched, turnId);
    expect([joined(deltas), joined(sentences)]).toEqual(['Half. And', 'Half. And']);
  });

  it('carry metrics, which the turn keeps', async () => {
    const { watched, send } = await started();
    app.provider.script(stream(piece('One. '), piece('Two.'), finish(), usage(70, 2), done));
    const { turnId } = await send();
    await watched.end(turnId);
    const metrics = await watched.first('turn.metrics', turnId);
    expect(metrics).toMatchObject({ tokensIn: 70, tokensOut: 2, attempts: 1, llm: 'openai/echo' });
    const { firstDeltaMs = -1, firstSentenceMs = -1, llmMs = -1, totalMs } = metrics;
    expect(firstDeltaMs).toBeGreaterThan(0);
    expect(firstSentenceMs).toBeGreaterThanOrEqual(firstDeltaMs);
    expect(totalMs).toBeGreaterThanOrEqual(llmMs);
    expect(totalMs).toBeGreaterThanOrEqual(firstSentenceMs);
    const { type, conversationId, turnId: _turnId, at, ...numbers } = metrics;
    expect([type, conversationId, at].every(Boolean)).toBe(true);
    expect((await ada.turns.get.query({ turnId })).metrics).toEqual(numbers);
  });

  it('never hold the separator of bubbles; each bubble is a part of its own', async () => {
    const { conversationId, watched, send } = await started();
    app.provider.script(answer('Hello', ' there.[SP', 'LIT]', 'How are', ' you?\n[SPLIT]\nTell me. [S', 'ic]'));
    const { turnId } = await send();
    await watched.end(turnId);
    const { deltas, sentences } = spokenBy(watched, turnId);
    expect(JSON.stringify(watched.seen)).not.toContain('SPLIT');
    const { items } = await ada.conversations.messages.query({ conversationId });
    const parts = items[1]?.parts.map((part) => (part.type === 'text' ? part.text : '')) ?? [];
    expect(parts.map((part) => part.trim())).toEqual(['Hello there.', 'How are you?', 'Tell me. [Sic]']);
    for (const [bubble, part] of parts.entries()) {
      expect(joined(deltas.filter((delta) => delta.bubble === bubble))).toBe(part);
      expect(joined(sentences.filter((sentence) => sentence.bubble === bubble))).toBe(part);
    }
    expect(JSON.stringify(await ada.conversations.export.query({ conversationId }))).not.toContain('SPLIT');
  });

  // Guard: what cannot be stored is not delivered either (`storable` in `reply`): such a turn could never be settled.
  it('hold nothing that cannot be stored, whatever the model says', async () => {
    const { conversationId, watched, send } = await started();
    app.provider.script(answer('A\0B ', '\0', 'half \ud83d', ' and whole \ud83d', '\ude00.'));
    const { turnId } = await send();
    expect((await watched.end(turnId)).type).toBe('turn.completed');
    const { items } = await ada.conversations.messages.query({ conversationId });
    expect(joined(watched.all('agent.delta', turnId))).toBe('AB half \ufffd and whole \u{1f600}.');
    expect(items.at(-1)?.parts).toEqual(text('AB half \ufffd and whole \u{1f600}.'));
  });

  it('never hold what the model thinks', async () => {
    const { conversationId, watched, send } = await started();
    app.provider.script(
      stream(
        chunk({ reasoning_content: 'SECRET one' }),
        chunk({ content: '<think>SECRET two</think>' }),
        piece('Visible.'),
        finish(),
        done,
      ),
    );
    const { turnId } = await send();
    await watched.end(turnId);
    expect(joined(spokenBy(watched, turnId).deltas).trim()).toBe('Visible.');
    expect(JSON.stringify(watched.seen)).not.toContain('SECRET');
    await ada.turns.ask.mutate({ conversationId, parts: text('again') });
    expect(JSON.stringify(app.provider.requests.at(-1)?.body)).not.toContain('SECRET');
    expect(JSON.stringify(await ada.conversations.export.query({ conversationId }))).not.toContain('SECRET');
  });
});

describe('conversations.events', () => {
  it('starts with the running turn when no id is given, else live', async () => {
    const { conversationId, watched, send } = await started();
    await ada.turns.ask.mutate({ conversationId, parts: text('before') });
    const held = gate();
    app.provider.script(answer('Begun.', held, ' Done.'));
    const { turnId } = await send();
    await watched.first('agent.delta', turnId);
    const late = watch(await app.trpc('ada'), { conversationId });
    await late.first('agent.delta', turnId);
    held.release();
    await Promise.all([late.end(turnId), watched.end(turnId)]);
    const of = (each: Watch) => each.seen.filter(({ data }) => 'turnId' in data && data.turnId === turnId);
    expect(late.seen).toEqual(of(watched));
    const live = watch(ada, { conversationId });
    await live.started;
    const next = await send('live');
    await live.end(next.turnId);
    expect(live.seen.every(({ data }) => 'turnId' in data && data.turnId === next.turnId)).toBe(true);
  });

  it('resumes after any id with the exact rest, as often as asked', async () => {
    const { conversationId, watched, send } = await started();
    for (const words of ['one', 'two']) {
      const { turnId } = await send(words);
      await watched.end(turnId);
    }
    for (const [place, { id: lastEventId }] of watched.seen.entries()) {
      const rest = watched.seen.slice(place + 1);
      const resumed = watch(ada, { conversationId, lastEventId });
      const last = rest.at(-1);
      if (last) await resumed.find((event) => JSON.stringify(event) === JSON.stringify(last.data));
      else await resumed.started;
      expect(resumed.seen).toEqual(rest);
      resumed.stop();
    }
  });

  it.each(['garbage', '0000000000001-0000000000001', `9999999999999-0000000000001`])(
    'answers an id that it does not hold (%s) with one gap and a snapshot, and goes on',
    async (lastEventId) => {
      const { conversationId, send } = await started();
      await ada.turns.ask.mutate({ conversationId, parts: text('kept') });
      const resumed = watch(ada, { conversationId, lastEventId });
      const gap = await resumed.first('gap');
      const { items } = await ada.conversations.messages.query({ conversationId });
      expect(gap.snapshot.messages.map(({ id }) => id)).toEqual(items.map(({ id }) => id));
      expect(gap.snapshot.conversation).toMatchObject({ id: conversationId, messageCount: 2 });
      expect(gap.snapshot.turn).toBeNull();
      const { turnId } = await send();
      await resumed.end(turnId);
      expect(resumed.types.filter((type) => type === 'gap')).toHaveLength(1);
      expect(resumed.types[1]).toBe('turn.started');
    },
  );

  it('a gap while a turn runs continues its text without a hole', async () => {
    const { conversationId, watched, send } = await started();
    const held = gate();
    app.provider.script(answer('So far. ', held, 'The rest.'));
    const { turnId } = await send();
    await watched.first('agent.delta', turnId);
    const resumed = watch(ada, { conversationId, lastEventId: 'garbage' });
    const { snapshot } = await resumed.first('gap');
    held.release();
    await resumed.end(turnId);
    expect(snapshot.turn).toMatchObject({ id: turnId, status: 'running' });
    expect(`${snapshot.turn?.text}${joined(resumed.all('agent.delta', turnId))}`).toBe('So far. The rest.');
  });

  it('goes on when its client is gone: only an interruption stops a turn', async () => {
    const { conversationId, send, watched } = await started();
    const held = gate();
    app.provider.script(answer('Begun.', held, ' Done.'));
    const { turnId } = await send();
    await watched.first('agent.delta', turnId);
    watched.stop();
    held.release();
    const again = watch(ada, { conversationId, lastEventId: watched.seen.at(-1)?.id ?? '' });
    expect((await again.end(turnId)).type).toBe('turn.completed');
    expect(joined([...watched.all('agent.delta', turnId), ...again.all('agent.delta', turnId)])).toBe('Begun. Done.');
  });

  it('two devices see the same', async () => {
    const { conversationId, watched, send } = await started();
    const other = watch(await app.trpc('ada'), { conversationId });
    await other.started;
    for (const words of ['a', 'b', 'c']) {
      const { turnId } = await send(words);
      await Promise.all([watched.end(turnId), other.end(turnId)]);
    }
    expect(other.seen).toEqual(watched.seen);
  });

  it("says NOT_FOUND for another user's conversation", async () => {
    const { conversationId } = await started();
    const eve = await app.trpc('eve');
    expect((await watch(eve, { conversationId }).ended)?.reason).toBe('NOT_FOUND');
    expect(await reasonOf(eve.conversations.get.query({ conversationId }))).toBe('NOT_FOUND');
  });
});
