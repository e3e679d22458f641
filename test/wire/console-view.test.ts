import { blocksOf } from '@parley/client/console/src/talk/blocks';
import { remedyOf } from '@parley/client/console/src/talk/remedy';
import { messageRows, openRows } from '@parley/client/console/src/talk/rows';
import { linesOf } from '@parley/client/expo/lines';
import type { Tracked } from '@parley/shared/event';
import type { MessageInEvent } from '@parley/shared/message';
import { openFailures } from '@parley/shared/open-failure';
import { reduce } from '@parley/shared/reduce';
import { type ConversationState, initialState } from '@parley/shared/state';
import { describe, expect, it } from 'vitest';

const conversationId = 'conversation';
const at = new Date(2026, 4, 1, 12).getTime();

function message(role: 'human' | 'agent', turnId: string, more: Partial<MessageInEvent> = {}): MessageInEvent {
  const parts = [{ type: 'text' as const, text: `${role} of ${turnId}` }];
  return {
    id: `${turnId}-${role}`,
    conversationId,
    turnId,
    role,
    kind: 'text',
    status: 'complete',
    parts,
    createdAt: at,
    ...more,
  };
}

const saved = (saying: MessageInEvent): Tracked['data'] => ({ type: 'message.saved', at, ...saying, message: saying });
const inTurn = { conversationId, turnId: 'one', at };

function later(events: readonly Tracked['data'][], state: ConversationState = initialState()): ConversationState {
  return events.reduce((known, data) => {
    const id = String(Number(known.lastEventId ?? '0') + 1).padStart(8, '0');
    return reduce(known, { id, data });
  }, state);
}

const rowsOf = (state: ConversationState, outgoing: Parameters<typeof openRows>[1] = []) => [
  ...messageRows(state.messages, false),
  ...openRows(state, outgoing),
];
const keysOf = (state: ConversationState, outgoing: Parameters<typeof openRows>[1] = []) =>
  rowsOf(state, outgoing).map(({ key }) => key);

const outgoing = (turnId: string, status: 'waiting' | 'sending' | 'sent' = 'sending') => ({
  turnId,
  parts: [{ type: 'text' as const, text: turnId }],
  createdAt: at,
  status,
});

describe('the rows of a conversation', () => {
  const started: Tracked['data'] = { type: 'turn.started', ...inTurn, input: 'text', parts: [] };
  const delta: Tracked['data'] = { type: 'agent.delta', ...inTurn, text: 'Hello', bubble: 0 };

  it('keep their places while a turn is sent, answered and stored', () => {
    const sent = initialState();
    const human = saved(message('human', 'one'));
    const agent = saved(message('agent', 'one'));
    const completed: Tracked['data'] = { type: 'turn.completed', ...inTurn };
    const steps = [
      { state: sent, outgoing: [outgoing('one')] },
      { state: later([started], sent), outgoing: [outgoing('one', 'sent')] },
      { state: later([started, human], sent), outgoing: [] },
      { state: later([started, human, delta], sent), outgoing: [] },
      { state: later([started, human, delta, agent], sent), outgoing: [] },
      { state: later([started, human, delta, agent, completed], sent), outgoing: [] },
    ];
    expect(keysOf(steps[0]?.state ?? sent, steps[0]?.outgoing)).toEqual(['one human']);
    for (const step of steps.slice(1)) expect(keysOf(step.state, step.outgoing)).toEqual(['one human', 'one agent']);
  });

  it('show what waits for an answer after it', () => {
    const state = later([started, saved(message('human', 'one')), delta]);
    expect(keysOf(state, [outgoing('two', 'sent')])).toEqual(['one human', 'one agent', 'two human']);
  });

  it('say when a turn failed without an answer, until something else is said', () => {
    const failed: Tracked['data'] = {
      type: 'turn.failed',
      ...inTurn,
      code: 'NO_SPEECH',
      message: 'nothing',
      retryable: false,
    };
    const state = later([started, failed]);
    expect(rowsOf(state)).toMatchObject([{ type: 'failure', outcome: { code: 'NO_SPEECH' } }]);
    const next = later([{ ...started, turnId: 'two' }], state);
    expect(rowsOf(next).map(({ type }) => type)).toEqual(['turn']);
    const told = later([
      started,
      saved(message('agent', 'one', { status: 'failed' })),
      { ...failed, messageId: 'one-agent' },
    ]);
    expect(rowsOf(told).map(({ type }) => type)).toEqual(['message']);
  });

  it('name a day once, and stay the same objects when others come', () => {
    const day = 24 * 3_600_000;
    const messages = [0, 1, 2].map((n) => message('human', `turn ${n}`, { createdAt: at + (n === 2 ? day : n) }));
    const rows = messageRows(messages.slice(1), false);
    expect(rows.map(({ type }) => type)).toEqual(['message', 'day', 'message']);
    const more = messageRows(messages, true);
    expect(more.map(({ type }) => type)).toEqual(['day', 'message', 'message', 'day', 'message']);
    expect(more.slice(2)).toEqual(rows);
    for (const [index, row] of rows.entries()) expect(more[index + 2]).toBe(row);
  });

  it('have a key each, whatever a turn holds', () => {
    const twice = [message('human', 'one'), message('human', 'one', { id: 'other' }), message('agent', 'one')];
    const keys = messageRows(twice, false).map(({ key }) => key);
    expect(new Set(keys).size).toBe(3);
  });
});

// Guard: a failed turn that names its recording is for whoever has that; any other is for the server.
describe('a turn that failed', () => {
  const failure = { code: 'TRANSCRIPTION_FAILED' as const, message: 'not understood', retryable: true };
  const failed = (more: object = {}): Tracked['data'] => ({ type: 'turn.failed', ...inTurn, ...failure, ...more });
  const recording = { voiceSessionId: 'v', details: { segments: [0] } };

  it('is tried again, or its recording sent again, where that can help', () => {
    const remedy = (event: Tracked['data'], isHere: boolean): string | undefined => {
      const row = rowsOf(later([event])).at(-1);
      return row?.type === 'failure'
        ? remedyOf(row.outcome, ({ voiceSessionId }) => isHere && voiceSessionId === 'v')
        : undefined;
    };
    expect(remedy(failed(), false)).toBe('retry');
    expect(remedy(failed(recording), true)).toBe('resend');
    expect(remedy(failed(recording), false)).toBe('say again');
    expect(remedy(failed({ ...recording, code: 'NO_SPEECH', retryable: false }), true)).toBe('none');
  });

  it('beside an answer is told of while that comes in and after it, until something else is said', () => {
    const started = (turnId: string): Tracked['data'] => ({
      type: 'turn.started',
      ...inTurn,
      turnId,
      input: 'text',
      parts: [],
    });
    const open = (state: ConversationState) => openFailures(state).map(({ turnId }) => turnId);
    const beside = later([started('two'), started('one'), failed(recording)]);
    expect([beside.turn?.id, open(beside)]).toEqual(['two', ['one']]);
    const after = later([{ type: 'turn.completed', ...inTurn, turnId: 'two' }], beside);
    expect(open(after)).toEqual(['one']);
    expect(open(later([started('three')], after))).toEqual([]);
  });

  it('of a recording is told of until its message is stored, whatever becomes of other recordings', () => {
    const of = (turnId: string, voiceSessionId: string) => failed({ ...recording, turnId, voiceSessionId });
    const open = (state: ConversationState) => openFailures(state).map(({ turnId }) => turnId);
    const both = later([of('a', 'v'), of('b', 'w')]);
    expect(open(both)).toEqual(['a', 'b']);
    const again = later([of('c', 'v')], both);
    expect(open(again)).toEqual(['b', 'c']);
    const said = saved(message('human', 'd', { voiceSessionId: 'w' }));
    const stored = later([{ type: 'turn.started', ...inTurn, turnId: 'd', input: 'voice', parts: [] }, said], again);
    expect(open(stored)).toEqual(['c']);
    expect(open(later([{ type: 'turn.completed', ...inTurn, turnId: 'd' }], stored))).toEqual(['c']);
    const silent = failed({ turnId: 'e', voiceSessionId: 'x', code: 'NO_SPEECH', retryable: false });
    expect(open(later([silent, of('f', 'y')]))).toEqual(['f']);
  });

  it('is told of on a phone, until something else is said', () => {
    const started: Tracked['data'] = { type: 'turn.started', ...inTurn, turnId: 'two', input: 'text', parts: [] };
    const state = later([failed(recording)]);
    const outcome = { turnId: 'one', status: 'failed', ...failure, ...recording };
    expect(linesOf({ data: state, outgoing: [] })).toEqual([
      { key: 'one-failed', isOwn: false, text: failure.message, isFaint: true, failed: outcome },
    ]);
    expect(linesOf({ data: later([started], state), outgoing: [] })).toEqual([]);
    // One whose answer is stored without a word.
    const empty = saved(message('agent', 'one', { status: 'failed', parts: [] }));
    const stored = later([saved(message('human', 'one')), empty, failed({ messageId: 'one-agent' })]);
    expect(linesOf({ data: stored, outgoing: [] }).map(({ key }) => key)).toEqual(['one-failed', 'one-human']);
    const answered = later([saved(message('human', 'two'))], stored);
    expect(linesOf({ data: answered, outgoing: [] }).map(({ key }) => key)).toEqual(['two-human', 'one-human']);
  });
});

describe('markdown in blocks', () => {
  const texts = [
    'one\n\ntwo\n\n\nthree',
    '- a\n\n- b\n\n  more of b\n\nafter',
    '```\ncode\n\nstill code\n```\n\nafter',
    '~~~~\n```\n\n~~~~\n\nafter',
    '1. a\n\n2. b\n\n> quote\n\nafter [x]\n\n[x]: https://example.com',
    '',
  ];

  it('are the text', () => {
    for (const text of texts) expect(blocksOf(text).join('\n')).toBe(text);
  });

  it('end where nothing that follows can belong to them', () => {
    expect(blocksOf(texts[0] ?? '')).toHaveLength(3);
    expect(blocksOf(texts[1] ?? '')).toHaveLength(2);
    expect(blocksOf(texts[2] ?? '')).toHaveLength(2);
    expect(blocksOf(texts[3] ?? '')).toHaveLength(2);
  });

  it('never change once another one has begun', () => {
    for (const text of texts)
      for (let length = 1; length < text.length; length++) {
        const before = blocksOf(text.slice(0, length)).slice(0, -1);
        expect(blocksOf(text).slice(0, before.length)).toEqual(before);
      }
  });
});
