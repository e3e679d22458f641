import { backoff } from '@parley/client/connection/backoff';
import { EventStreamParser, type ServerSentEvent } from '@parley/client/connection/event-stream';
import { TurnReader } from '@parley/client/conversation/reader';
import { failureOf, isLost, ParleyFailure } from '@parley/client/failure';
import type { Event } from '@parley/shared/event';
import { ParleyError } from '@parley/shared/reason';
import { TRPCClientError } from '@trpc/client';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('an event stream', () => {
  function parse(pieces: readonly string[]): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    const parser = new EventStreamParser((event) => events.push(event));
    for (const piece of pieces) parser.push(piece);
    return events;
  }

  const stream =
    '\uFEFF: a comment\n\nevent: connected\ndata: {"a":1}\n\ndata: one\r\ndata:two\r\nid: 7\r\n\r\nevent: ping\rdata\r\rid\ndata: 好\n\ndata: cut';

  test('is read as the standard says', () => {
    expect(parse([stream])).toEqual([
      { type: 'connected', data: '{"a":1}', id: '' },
      { type: 'message', data: 'one\ntwo', id: '7' },
      { type: 'ping', data: '', id: '7' },
      { type: 'message', data: '好', id: '' },
    ]);
  });

  test('is the same however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
        const pieces = at.slice(1).map((end, i) => stream.slice(at[i], end));
        expect(parse(pieces)).toEqual(parse([stream]));
      }),
    );
  });

  test('that never ends an event is given up', () => {
    const parser = new EventStreamParser(() => {});
    expect(() => parser.push(`data: ${'x'.repeat(9 * 1024 * 1024)}`)).toThrow(RangeError);
  });
});

test('waits between tries double, are bounded, and differ', () => {
  for (const random of [0, 0.5, 0.999]) {
    const waits = Array.from({ length: 40 }, (_, attempt) => backoff(attempt, () => random));
    expect(Math.max(...waits)).toBeLessThanOrEqual(15_000);
    expect(waits.slice(1)).toEqual(waits.slice(1).toSorted((a, b) => a - b));
  }
  expect(backoff(5, () => 0.1)).not.toBe(backoff(5, () => 0.9));
});

test('a failure is what the server said, or that it could not be reached', () => {
  const data = { reason: 'RATE_LIMITED', retryable: true, traceId: 'abc', details: { retryAfterMs: 5 } };
  const said = failureOf(TRPCClientError.from({ error: { message: 'slowly', code: -32029, data } }));
  expect(said).toMatchObject({ ...data, message: 'slowly' });
  expect(isLost(said)).toBe(false);
  for (const error of [new Error('gone'), new TRPCClientError('closed'), 'text', undefined]) {
    expect(failureOf(error)).toMatchObject({ reason: 'UNAVAILABLE', retryable: true, traceId: undefined });
    expect(isLost(failureOf(error))).toBe(true);
  }
  expect(failureOf(new ParleyError('INVALID_MESSAGE'))).toMatchObject({ reason: 'INVALID_MESSAGE', retryable: false });
  const own = new ParleyFailure('NOT_FOUND', 'no');
  expect(failureOf(own)).toBe(own);
});

describe('a turn', () => {
  const base = { conversationId: 'c', turnId: 't', at: 1 };
  const reader = () => new TurnReader({ conversationId: 'c', turnId: 't', input: 'text', parts: [] });
  const delta = (text: string, bubble = 0): Event => ({ type: 'agent.delta', ...base, text, bubble });
  const started: Event = { type: 'turn.started', ...base, input: 'text', parts: [] };
  const gap = (bubbles: string[] | null, turnId = 't'): Event => ({
    type: 'gap',
    conversationId: 'c',
    at: 2,
    reason: 'gone',
    snapshot: {
      conversation: {
        id: 'c',
        title: null,
        status: 'active',
        assistantId: null,
        context: null,
        metadata: {},
        createdAt: 0,
        lastMessageAt: null,
        endedAt: null,
        messageCount: 1,
        preview: null,
      },
      messages: [],
      turn: bubbles && { id: turnId, status: 'running', text: bubbles.join(''), bubbles },
    },
  });

  test('is made of its own events only', () => {
    const one = reader();
    const other: Event = { ...started, turnId: 'other' };
    expect([started, other, delta('a')].flatMap((event) => one.read(event))).toEqual([started, delta('a')]);
  });

  test('behind a gap begins, and goes on where the snapshot ends', () => {
    const one = reader();
    const events = [gap(['Hello', ' you']), delta(' there', 1)].flatMap((event) => one.read(event));
    expect(events.map(({ type }) => type)).toEqual(['turn.started', 'agent.delta', 'agent.delta', 'agent.delta']);
    expect(one.text).toBe('Hello you there');
  });

  test('takes nothing twice from a gap, and nothing of another turn', () => {
    const one = reader();
    for (const event of [started, delta('Hello'), gap(['Hello']), gap(['Bye'], 'other'), gap(null)]) one.read(event);
    expect(one.text).toBe('Hello');
  });

  test('that has ended unseen is finished once, with what was missing', () => {
    const one = reader();
    for (const event of [started, delta('Hello')]) one.read(event);
    expect(one.finish({ id: 't', conversationId: 'c', status: 'running', text: 'Hello you' })).toEqual([]);
    const rest = one.finish({ id: 't', conversationId: 'c', status: 'failed', code: 'OWNER_LOST', text: 'Hello you' });
    expect(rest).toMatchObject([
      { type: 'agent.delta', text: ' you', bubble: 0 },
      { type: 'turn.failed', code: 'OWNER_LOST', retryable: true },
    ]);
    expect(one.finish({ id: 't', conversationId: 'c', status: 'completed', text: 'Hello you' })).toEqual([]);
    expect(one.read({ type: 'turn.completed', ...base })).toEqual([]);
  });

  test('that was interrupted is not given words that nobody said', () => {
    const one = reader();
    for (const event of [started, delta('Hello you')]) one.read(event);
    const rest = one.finish({ id: 't', conversationId: 'c', status: 'interrupted', text: 'Hello' });
    expect(rest.map(({ type }) => type)).toEqual(['turn.interrupted']);
    expect(one.text).toBe('Hello you');
  });
});
