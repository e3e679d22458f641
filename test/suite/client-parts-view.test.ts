import { Paced } from '@parley/client/conversation/live';
import { Outbox } from '@parley/client/conversation/outbox';
import { withPage } from '@parley/client/conversation/pages';
import { TurnLog } from '@parley/client/conversation/turn-log';
import { ParleyFailure } from '@parley/client/failure';
import { createMeter } from '@parley/client/recorder/meter';
import type { Event, Tracked } from '@parley/shared/event';
import type { MessageInEvent } from '@parley/shared/message';
import type { SentTurn } from '@parley/shared/turn';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('a paced value', () => {
  test('is told of at once, and then once a frame, whatever changes in between', async () => {
    let count = 0;
    const paced = new Paced(() => count);
    const told: number[] = [];
    const leave = paced.subscribe(() => told.push(paced.get()));
    for (let i = 0; i < 100; i++) {
      count++;
      paced.touch();
    }
    expect(paced.get()).toBe(0);
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toEqual([100]);
    for (let ms = 0; ms < 160; ms++) {
      count++;
      paced.touch();
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(told.length).toBeLessThanOrEqual(11);
    await vi.advanceTimersByTimeAsync(20);
    expect(told.at(-1)).toBe(260);
    leave();
    count++;
    paced.touch();
    await vi.advanceTimersByTimeAsync(20);
    expect(told.at(-1)).toBe(260);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('does not wait for a clock that was set back', async () => {
    let count = 0;
    const paced = new Paced(() => count);
    for (const now of [1_000_000, 5]) {
      vi.setSystemTime(now);
      count++;
      paced.touch();
      await vi.advanceTimersByTimeAsync(0);
      expect(paced.get()).toBe(count);
    }
  });
});

test('a meter shows a peak at once and lets it sink', () => {
  let now = 0;
  const meter = createMeter(() => now);
  const levels: number[] = [];
  meter.subscribe(() => levels.push(meter.get()));
  for (let i = 0; i < 100; i++) {
    meter.push(i === 30 ? 2 : 0);
    now += 10;
  }
  expect(Math.max(...levels)).toBe(1);
  expect(levels.length).toBeLessThanOrEqual(20);
  const after = levels.slice(levels.indexOf(1));
  expect(after).toEqual([...after].sort((a, b) => b - a));
  meter.push(1);
  meter.reset();
  expect(meter.get()).toBe(0);
});

const message = (n: number): MessageInEvent => ({
  id: `m${n}`,
  conversationId: 'c',
  turnId: `t${n}`,
  role: 'human',
  kind: 'text',
  status: 'complete',
  parts: [{ type: 'text', text: `${n}` }],
  createdAt: n,
});

describe('pages of messages', () => {
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => message(from + i));

  test('whatever pages and events come in whatever order: each message once, in order, without a hole', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 7 }), fc.nat(10), (count, size, seen) => {
        const all = range(0, count);
        // Events have told of the last ones before the first page comes.
        let known: readonly MessageInEvent[] = all.slice(Math.max(0, count - seen));
        let end = count;
        for (let first = true; end > 0; first = false, end -= size)
          known = withPage(known, all.slice(Math.max(0, end - size), end), first);
        expect(known).toEqual(all);
      }),
    );
  });

  test('what is there stays the same object', () => {
    const known = range(5, 10);
    const joined = withPage(known, [message(4), message(5), message(6)], false);
    expect(joined).toHaveLength(6);
    expect(joined.slice(1).every((each, i) => each === known[i])).toBe(true);
    expect(withPage(known, [message(8), message(9)], true)).toBe(known);
  });

  test('before a newest page nothing stays that it does not continue', () => {
    expect(withPage(range(0, 5), range(20, 25), true).map(({ id }) => id)).toEqual(range(20, 25).map(({ id }) => id));
    expect(withPage([...range(0, 5), message(25)], range(20, 25), true)).toEqual(range(20, 26));
  });
});

describe('an outbox', () => {
  const sentAs = (turnId: string): SentTurn => ({
    turnId,
    userMessageId: 'm',
    createdAt: new Date(0),
    duplicate: false,
  });
  const lost = () => new ParleyFailure('UNAVAILABLE', 'lost');

  function outboxOf(answers: (ParleyFailure | 'ok')[]) {
    const posted: string[] = [];
    const stored = new Set<string>();
    const outbox = new Outbox(
      async (_parts, { turnId = '' }) => {
        posted.push(turnId);
        await new Promise((resolve) => setTimeout(resolve, 10));
        const answer = answers.shift() ?? 'ok';
        if (answer !== 'ok') throw answer;
        return sentAs(turnId);
      },
      ({ turnId }) => stored.has(turnId),
      () => {},
    );
    return { outbox, posted, stored };
  }

  test('sends one after the other, in order, and keeps what is not among the messages yet', async () => {
    const { outbox, posted } = outboxOf([]);
    const sent = ['a', 'b', 'c'].map((turnId) => outbox.send(turnId, { turnId }));
    expect(outbox.outgoing.map(({ status }) => status)).toEqual(['sending', 'waiting', 'waiting']);
    await vi.advanceTimersByTimeAsync(10);
    expect(posted).toEqual(['a', 'b']);
    outbox.settle(['a']);
    await vi.advanceTimersByTimeAsync(20);
    expect((await Promise.all(sent)).map(({ turnId }) => turnId)).toEqual(['a', 'b', 'c']);
    expect(outbox.outgoing.map(({ turnId, status }) => `${turnId} ${status}`)).toEqual(['b sent', 'c sent']);
    outbox.settle(['b', 'c']);
    expect(outbox.outgoing).toEqual([]);
  });

  test('what the network failed is sent again when it is back, under the same id; what was refused is not', async () => {
    const refused = new ParleyFailure('RATE_LIMITED', 'slow down', { traceId: 't' });
    const { outbox, posted } = outboxOf([lost(), 'ok', refused]);
    const first = outbox.send('one', { turnId: 'a' });
    const second = outbox.send('two', { turnId: 'b' });
    const failed = Promise.allSettled([first, second]);
    await vi.advanceTimersByTimeAsync(20);
    // What was said later does not come before it.
    expect(outbox.outgoing.map(({ status }) => status)).toEqual(['failed', 'waiting']);
    outbox.wake();
    await vi.advanceTimersByTimeAsync(20);
    expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(posted).toEqual(['a', 'a', 'b']);
    expect(outbox.outgoing.map(({ status }) => status)).toEqual(['sent', 'failed']);
    const again = outbox.resend('b');
    await vi.advanceTimersByTimeAsync(10);
    expect(await again).toMatchObject({ turnId: 'b' });
    expect(posted).toEqual(['a', 'a', 'b', 'b']);
  });

  test('what waits for one whose answer was lost goes on when that is among the messages', async () => {
    const { outbox, posted } = outboxOf([lost()]);
    const first = outbox.send('one', { turnId: 'a' }).catch(() => {});
    void outbox.send('two', { turnId: 'b' });
    await vi.advanceTimersByTimeAsync(20);
    await first;
    expect(posted).toEqual(['a']);
    outbox.settle(['a']);
    await vi.advanceTimersByTimeAsync(10);
    expect(posted).toEqual(['a', 'b']);
  });

  test('one that was stored before is not kept when that turns out', async () => {
    const { outbox, stored } = outboxOf([lost()]);
    const first = outbox.send('one', { turnId: 'a' }).catch(() => {});
    await vi.advanceTimersByTimeAsync(10);
    await first;
    stored.add('a');
    const again = outbox.resend('a');
    await vi.advanceTimersByTimeAsync(10);
    await again;
    expect(outbox.outgoing).toEqual([]);
  });

  test('a failed one is discarded, one on its way is not; what waits is bounded', async () => {
    const { outbox } = outboxOf([lost()]);
    const first = outbox.send('one', { turnId: 'a' }).catch(() => {});
    outbox.discard('a');
    expect(outbox.outgoing).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(10);
    await first;
    outbox.discard('a');
    expect(outbox.outgoing).toHaveLength(0);
    await expect(outbox.resend('a')).rejects.toMatchObject({ reason: 'NOT_FOUND' });
    for (let i = 0; i < 100; i++) outbox.send('x').catch(() => {});
    await expect(outbox.send('x')).rejects.toMatchObject({ reason: 'PAYLOAD_TOO_LARGE' });
  });
});

describe('a log of turns', () => {
  let next = 0;
  const tracked = (data: Event): Tracked => ({ id: String(next++).padStart(6, '0'), data });
  const base = { conversationId: 'c', turnId: 't' };
  const started = (at: number, turnId = 't'): Event => ({
    ...{ type: 'turn.started', conversationId: 'c', turnId, at, input: 'voice', parts: [] },
  });

  test('has each turn with its timeline, its latencies and how it ended', () => {
    const log = new TurnLog();
    const saved: MessageInEvent = { ...message(5), turnId: 't', voiceSessionId: 'v' };
    const told: Event[] = [
      { type: 'transcript.partial', conversationId: 'c', at: 90, voiceSessionId: 'v', text: 'he', durationMs: 10 },
      started(100),
      { type: 'transcript.final', ...base, at: 100, voiceSessionId: 'v', text: 'hello', durationMs: 10 },
      { type: 'message.saved', ...saved, at: 101, message: saved },
      ...[120, 121, 122].map((at): Event => ({ type: 'agent.delta', ...base, at, text: 'abc', bubble: 0 })),
      { type: 'agent.text', ...base, at: 130, sentence: 0, text: 'abcabcabc', bubble: 0 },
      ...[0, 1].map((chunk): Event => {
        const sound = { format: 'pcm_s16le', sampleRate: 16_000, data: new Uint8Array(4), last: chunk === 1 };
        return { type: 'agent.audio', ...base, at: 140 + chunk, sentence: 0, chunk, ...sound };
      }),
    ];
    for (const event of told) log.take(tracked(event), 1_000);
    const [record] = log.records;
    expect(record).toMatchObject({ id: 't', status: 'running', input: 'voice', voiceSessionId: 'v' });
    expect(record?.latency).toEqual({ firstDeltaMs: 20, firstSentenceMs: 30, firstAudioMs: 40 });
    expect(record?.moments.map(({ type, count }) => `${type} ${count}`)).toEqual([
      'turn.started 1',
      'transcript.partial 1',
      'transcript.final 1',
      'message.saved 1',
      'agent.delta 3',
      'agent.text 1',
      'agent.audio 2',
    ]);
    expect(record?.moments[4]).toMatchObject({ at: 120, lastAt: 122, receivedAt: 1_000, characters: 9 });
    expect(record?.moments[6]).toMatchObject({ bytes: 8, sentence: 0 });
    expect(log.records).toBe(log.records);
    log.take(tracked({ type: 'turn.metrics', ...base, at: 190, sttMs: 70, firstDeltaMs: 21, totalMs: 95 }));
    log.take(
      tracked({ type: 'turn.failed', ...base, at: 195, code: 'MODEL_TIMEOUT', message: 'slow', retryable: true }),
    );
    expect(log.records[0]).toMatchObject({
      status: 'failed',
      failure: { code: 'MODEL_TIMEOUT', retryable: true },
      latency: { sttMs: 70, firstDeltaMs: 21, totalMs: 95 },
      times: { endedAt: 195 },
    });
    expect(record?.status).toBe('running');
  });

  test('is bounded, in turns and in moments', () => {
    const log = new TurnLog();
    for (let i = 0; i < 300; i++) log.take(tracked(started(i, `t${i}`)));
    expect(log.records).toHaveLength(100);
    expect(log.records.at(-1)?.id).toBe('t299');
    for (let i = 0; i < 5_000; i++)
      log.take(tracked({ type: 'agent.text', ...base, turnId: 't299', at: i, sentence: i, text: 'x', bubble: 0 }));
    expect(log.records.at(-1)?.moments.length).toBeLessThanOrEqual(2_001);
  });

  test('a turn that ended within a gap is not running', () => {
    const log = new TurnLog();
    log.take(tracked(started(1)));
    const answer: MessageInEvent = { ...message(7), turnId: 't', role: 'agent', status: 'interrupted' };
    const conversation = {
      ...{ id: 'c', title: null, status: 'active' as const, assistantId: null, context: null, metadata: {} },
      ...{ createdAt: 0, lastMessageAt: 7, endedAt: null, messageCount: 1, preview: null },
    };
    const gap = { type: 'gap' as const, conversationId: 'c', at: 9, reason: 'trimmed' };
    log.take(tracked({ ...gap, snapshot: { conversation, messages: [answer], turn: null } }));
    expect(log.records[0]).toMatchObject({ status: 'interrupted', messageId: 'm7' });
    // An answer that is stored anew, long after its turn, is no turn of its own.
    log.take(tracked({ type: 'message.saved', ...answer, turnId: 'old', at: 9, message: answer }));
    expect(log.records).toHaveLength(1);
  });
});
