import type { ConversationInEvent, Event, EventOf, Snapshot, Tracked } from '@parley/shared/event';
import type { MessageInEvent, MessagePart } from '@parley/shared/message';
import { reduce, withMessages } from '@parley/shared/reduce';
import { type ConversationState, initialState } from '@parley/shared/state';
import { isTerminal } from '@parley/shared/terminal';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const conversationId = 'c';
const conversation = (title: string, status: 'active' | 'ended' = 'active'): ConversationInEvent => ({
  ...{ id: conversationId, title, status, assistantId: null, context: null, metadata: {} },
  ...{ createdAt: 0, lastMessageAt: null, endedAt: null, messageCount: 0, preview: null },
});

type Body<E extends Event = Event> = E extends Event ? Omit<E, 'conversationId' | 'at'> : never;

/** Writes the events of a conversation's log, numbered and timed as they come. */
class Story {
  readonly events: Tracked[] = [];
  messages = 0;
  add(body: Body): void {
    const at = this.events.length + 1;
    this.events.push({ id: `1-${String(at).padStart(8, '0')}`, data: { ...body, conversationId, at } });
  }
  save(turnId: string, role: 'human' | 'agent', parts: MessagePart[], more: Partial<MessageInEvent> = {}): string {
    const id = `m${++this.messages}`;
    const message: MessageInEvent = {
      ...{ id, conversationId, turnId, role, kind: 'text', status: 'complete', parts, ...more },
      // Two messages of one millisecond keep their order.
      createdAt: Math.floor(this.events.length / 2),
    };
    this.add({ type: 'message.saved', ...message, message });
    return id;
  }
}

interface Plan {
  input: 'text' | 'voice' | 'greeting';
  /** A turn that is told of before this sentence of the answer and never runs. */
  newcomer: { before: number; is: 'withdrawn' | 'silent' } | undefined;
  /** Its owner is lost: its end is told after the next turn has begun. */
  endsLate: boolean;
  deltas: { text: string; bubble: number }[];
  speaks: boolean;
  tool: boolean;
  renamed: boolean;
  stored: boolean;
  ends: 'completed' | 'interrupted' | 'failed';
}

const neverRuns = (turnId: string | undefined): boolean => turnId?.endsWith('newcomer') ?? false;

/** A queued message that is withdrawn, or a recording in which nobody speaks: its beginning and end come together. */
function tellNewcomer(story: Story, { is }: NonNullable<Plan['newcomer']>, turnId: string): void {
  if (is === 'withdrawn') {
    story.add({ type: 'turn.started', turnId, input: 'text', parts: [] });
    story.save(turnId, 'human', [{ type: 'text', text: 'Wait' }]);
    story.add({ type: 'turn.interrupted', turnId });
    return;
  }
  const recording = { turnId, voiceSessionId: `v-${turnId}` };
  story.add({ type: 'turn.started', ...recording, input: 'voice', parts: [] });
  story.add({ type: 'turn.failed', ...recording, code: 'NO_SPEECH', message: 'Nothing.', retryable: false });
}

/** Returns what tells of its end. */
function tell(story: Story, plan: Plan, turnId: string, endBefore: () => void): () => void {
  const voiceSessionId = `v-${turnId}`;
  if (plan.input === 'voice') {
    story.add({ type: 'agent.listening', voiceSessionId, text: 'Yes?' });
    story.add({ type: 'transcript.partial', voiceSessionId, text: 'Hel', durationMs: 10 });
    story.add({ type: 'transcript.final', voiceSessionId, text: 'Hello', durationMs: 20, turnId });
  }
  const parts = [{ type: 'text' as const, text: 'Hello' }];
  story.add({ type: 'turn.started', turnId, input: plan.input, parts });
  if (plan.input !== 'greeting')
    story.save(turnId, 'human', parts, plan.input === 'voice' ? { kind: 'audio', voiceSessionId } : {});
  endBefore();
  if (plan.tool) {
    story.add({ type: 'tool.call', turnId, toolCallId: 'x', name: 'look', arguments: {}, needsApproval: true });
    story.add({ type: 'tool.result', turnId, toolCallId: 'x', name: 'look', result: 1 });
  }
  const bubbles: string[] = [];
  for (const [sentence, { text, bubble }] of plan.deltas.entries()) {
    if (plan.newcomer?.before === sentence) tellNewcomer(story, plan.newcomer, `${turnId}-newcomer`);
    const at = Math.min(bubble, bubbles.length);
    bubbles[at] = (bubbles[at] ?? '') + text;
    story.add({ type: 'agent.delta', turnId, text, bubble: at });
    story.add({ type: 'agent.text', turnId, text, bubble: at, sentence });
    if (plan.speaks)
      for (const chunk of [0, 1]) {
        const data = new Uint8Array(3);
        story.add({
          type: 'agent.audio',
          turnId,
          sentence,
          chunk,
          format: 'mp3',
          sampleRate: 8,
          data,
          last: chunk > 0,
        });
      }
  }
  if (plan.renamed) story.add({ type: 'conversation.updated', conversation: conversation(`Title ${turnId}`) });
  return () => tellEnd(story, plan, turnId, bubbles);
}

function tellEnd(story: Story, plan: Plan, turnId: string, bubbles: readonly string[]): void {
  const status = plan.ends === 'completed' ? 'complete' : plan.ends;
  const messageId = plan.stored
    ? story.save(
        turnId,
        'agent',
        bubbles.map((text) => ({ type: 'text', text })),
        { status },
      )
    : undefined;
  story.add({ type: 'turn.metrics', turnId, totalMs: 5 });
  const end = { turnId, ...(messageId !== undefined && { messageId }) };
  if (plan.ends === 'failed')
    story.add({ type: 'turn.failed', ...end, code: 'MODEL_TIMEOUT', message: 'Too long.', retryable: true });
  else story.add({ type: `turn.${plan.ends}`, ...end });
}

const plan: fc.Arbitrary<Plan> = fc.record({
  input: fc.constantFrom('text', 'voice', 'greeting'),
  newcomer: fc.option(fc.record({ before: fc.nat(4), is: fc.constantFrom('withdrawn', 'silent') }), { nil: undefined }),
  endsLate: fc.boolean(),
  deltas: fc.array(fc.record({ text: fc.string({ minLength: 1, maxLength: 4 }), bubble: fc.nat(3) }), { maxLength: 5 }),
  speaks: fc.boolean(),
  tool: fc.boolean(),
  renamed: fc.boolean(),
  stored: fc.boolean(),
  ends: fc.constantFrom('completed', 'interrupted', 'failed'),
});

function storyOf(plans: readonly Plan[]): Tracked[] {
  const story = new Story();
  story.add({ type: 'conversation.updated', conversation: conversation('Title') });
  let end = (): void => {};
  for (const [i, plan] of plans.entries()) {
    end = tell(story, plan, `t${i}`, end);
    if (plan.endsLate && i < plans.length - 1) continue;
    end();
    end = () => {};
  }
  return story.events;
}

const log = fc.array(plan, { minLength: 1, maxLength: 5 }).map(storyOf);

const run = (events: readonly Tracked[], state: ConversationState = initialState()) => events.reduce(reduce, state);

/** What the server says after these events, worked out apart from `reduce`. */
function snapshotOf(events: readonly Tracked[], most: number): Snapshot {
  const snapshot: Snapshot = { conversation: conversation('Title'), messages: [], turn: null };
  for (const { data } of events) {
    if (data.type === 'conversation.updated') snapshot.conversation = data.conversation;
    else if (data.type === 'message.saved') snapshot.messages.push(data.message);
    else if (!('turnId' in data) || neverRuns(data.turnId)) continue;
    else if (data.type === 'turn.started')
      snapshot.turn = { id: data.turnId, status: 'running', text: '', bubbles: [] };
    else if (data.type === 'agent.delta' && snapshot.turn) {
      snapshot.turn.text += data.text;
      snapshot.turn.bubbles[data.bubble] = (snapshot.turn.bubbles[data.bubble] ?? '') + data.text;
    } else if (isTerminal(data) && snapshot.turn?.id === data.turnId) snapshot.turn = null;
  }
  snapshot.messages = snapshot.messages.slice(-most);
  return snapshot;
}

function gapAt(events: readonly Tracked[], at: number, most: number): Tracked {
  const snapshot = snapshotOf(events.slice(0, at), most);
  return { id: events[at - 1]?.id ?? '0', data: { type: 'gap', conversationId, at: 0, reason: 'gone', snapshot } };
}

describe('reducing any log', () => {
  test('in two parts is reducing it whole, and a part that comes again changes nothing', () => {
    fc.assert(
      fc.property(log, fc.nat(), fc.nat(), (events, cut, back) => {
        const at = cut % (events.length + 1);
        const half = run(events.slice(0, at));
        expect(run(events.slice(0, at), half)).toBe(half);
        expect(run(events.slice(back % (at + 1)), half)).toEqual(run(events));
      }),
    );
  });

  test('with a gap anywhere ends as without one', () => {
    fc.assert(
      fc.property(log, fc.nat(), fc.nat(), fc.constantFrom(1, 2, 50), (events, cut, length, most) => {
        const from = cut % events.length;
        const to = from + 1 + (length % (events.length - from));
        const whole = run(events);
        const state = run([...events.slice(0, from), gapAt(events, to, most), ...events.slice(to)]);
        const { messages, outcomes, ...rest } = state;
        expect({ ...rest, messages: [], outcomes: [] }).toEqual({ ...whole, messages: [], outcomes: [] });
        // There are no holes in what is left of the messages, and all of them when the snapshot reaches back far enough.
        expect(messages).toEqual(whole.messages.slice(whole.messages.length - messages.length));
        if (most === 50) expect(messages).toEqual(whole.messages);
        for (const outcome of outcomes)
          expect(whole.outcomes.find(({ turnId }) => turnId === outcome.turnId)?.status).toBe(outcome.status);
      }),
    );
  });

  test('with a gap within an answer goes on exactly where the snapshot stands', () => {
    fc.assert(
      fc.property(log, fc.nat(), (events, cut) => {
        const at = 1 + (cut % events.length);
        const seen = run(events.slice(0, at));
        // The server's snapshot knows nothing of what never ran.
        fc.pre(!neverRuns(seen.turn?.id));
        const jumped = run([gapAt(events, at, 50)]);
        expect(jumped.turn?.id).toBe(seen.turn?.id);
        expect(jumped.turn?.bubbles).toEqual(seen.turn?.bubbles);
        expect(jumped.messages).toEqual(seen.messages);
      }),
    );
  });

  // Guard: at its end a turn gives way to the one that it stood in front of, unless that has ended meanwhile.
  test('shows a running answer as if no turn that never ran had been told of', () => {
    fc.assert(
      fc.property(log, (events) => {
        const idOf = ({ data }: Tracked): string | undefined => ('turnId' in data ? data.turnId : undefined);
        let [state, without] = [initialState(), initialState()];
        for (const event of events) {
          state = reduce(state, event);
          if (neverRuns(idOf(event))) continue;
          without = reduce(without, event);
          expect(state.turn).toEqual(without.turn);
        }
        expect([state.turn, state.displaced]).toEqual([null, []]);
      }),
    );
  });

  test('shows of a running answer its deltas, and its sentences and audio without holes', () => {
    fc.assert(
      fc.property(plan, (plan) => {
        const events = storyOf([plan]);
        const end = events.findIndex(({ data }) => data.type === 'message.saved' && data.role === 'agent');
        const { turn } = run(events.slice(0, end < 0 ? -2 : end));
        expect(turn?.bubbles.join('').length).toBe(plan.deltas.reduce((sum, { text }) => sum + text.length, 0));
        expect(turn?.sentences).toEqual(
          plan.deltas.map(({ text }, sentence) => ({
            ...{ sentence, text, bubble: expect.any(Number) },
            ...(plan.speaks && { audio: { chunks: 2, bytes: 6, complete: true } }),
          })),
        );
        expect(turn?.tools.length).toBe(plan.tool ? 1 : 0);
      }),
    );
  });
});

const base = { conversationId, at: 9 };
const started = (turnId: string): EventOf<'turn.started'> => ({
  ...base,
  type: 'turn.started',
  turnId,
  input: 'text',
  parts: [],
});
const numbered = (...events: Event[]): Tracked[] => events.map((data, i) => ({ id: `2-${i}`, data }));
const saved = (id: string, createdAt: number, more: Partial<MessageInEvent> = {}): EventOf<'message.saved'> => {
  const message: MessageInEvent = {
    ...{ id, conversationId, turnId: 't', role: 'human', kind: 'text', status: 'complete', parts: [], createdAt },
    ...more,
  };
  return { ...base, type: 'message.saved', ...message, message };
};

describe('a screen', () => {
  test('keeps what an event does not touch: a delta copies no messages', () => {
    const messages = Array.from({ length: 10_000 }, (_, i) => saved(`m${i}`, i).message);
    let state = reduce(initialState({ messages }), { id: '1', data: started('t') });
    for (let i = 0; i < 5000; i++) {
      const before = state;
      const data: Event = { ...base, type: 'agent.delta', turnId: 't', text: 'x', bubble: i % 3 };
      state = reduce(state, { id: `1-${String(i).padStart(6, '0')}`, data });
      expect(state.messages).toBe(before.messages);
      expect(state.outcomes).toBe(before.outcomes);
      expect(before.turn?.bubbles.join('').length ?? 0).toBe(i);
    }
    const { messages: more } = reduce(state, { id: '2', data: saved('new', 20_000) });
    expect(more.length).toBe(10_001);
    expect(more[5000]).toBe(messages[5000]);
  });

  test('has messages in order of time, each once, the newest version of it', () => {
    const state = run(numbered(saved('b', 2), saved('a', 1), saved('c', 2), saved('b', 2, { status: 'failed' })));
    expect(state.messages.map(({ id, status }) => [id, status])).toEqual([
      ['a', 'complete'],
      ['b', 'failed'],
      ['c', 'complete'],
    ]);
    const older = withMessages(state, [saved('0', 0).message, saved('a', 3).message]);
    expect(older.messages.map(({ id }) => id)).toEqual(['0', 'b', 'c', 'a']);
  });

  test('knows how the last turns ended, and nothing of a turn comes after', () => {
    const failed: Event = {
      ...base,
      type: 'turn.failed',
      turnId: 't',
      code: 'MODEL_TIMEOUT',
      message: 'm',
      retryable: true,
    };
    const late: Event = { ...base, type: 'agent.delta', turnId: 't', text: 'late', bubble: 0 };
    const state = run(numbered(started('t'), { ...base, type: 'turn.metrics', turnId: 't', totalMs: 1 }, failed, late));
    expect(state.turn).toBeNull();
    expect(state.outcomes).toEqual([
      { turnId: 't', status: 'failed', code: 'MODEL_TIMEOUT', message: 'm', retryable: true, metrics: { totalMs: 1 } },
    ]);
    let many = state;
    for (let i = 0; i < 300; i++)
      many = reduce(many, { id: `3-${1000 + i}`, data: { ...base, type: 'turn.completed', turnId: `u${i}` } });
    expect(many.outcomes.length).toBe(100);
    expect(many.outcomes.at(-1)?.turnId).toBe('u299');
  });

  test('that joins within a turn shows it from there', () => {
    const state = run(numbered({ ...base, type: 'agent.delta', turnId: 't', text: 'x', bubble: 1 }));
    expect(state.turn).toMatchObject({ id: 't', input: null, bubbles: ['', 'x'] });
  });

  test('replaces everything by a snapshot that what it has does not reach', () => {
    const snapshot: Snapshot = { conversation: conversation('T'), messages: [saved('z', 50).message], turn: null };
    const state = run(numbered(saved('a', 1), { ...base, type: 'gap', reason: 'gone', snapshot }));
    expect(state.messages.map(({ id }) => id)).toEqual(['z']);
  });

  // Guard: a gap counts whatever its id, and what follows is compared with that.
  test('goes on from a gap in a log that has begun anew below where it was', () => {
    const bubbles = ['So far'];
    const turn = { id: 't', status: 'running' as const, text: 'So far', bubbles };
    const snapshot: Snapshot = { conversation: conversation('New'), messages: [], turn };
    const before = run([{ id: '9-5', data: started('t') }]);
    const after = run(
      [
        { id: '3-2', data: { ...base, type: 'gap', reason: 'gone', snapshot } },
        { id: '3-1', data: { ...base, type: 'agent.delta', turnId: 't', text: ' twice', bubble: 0 } },
        { id: '3-3', data: { ...base, type: 'agent.delta', turnId: 't', text: ', so good', bubble: 0 } },
      ],
      before,
    );
    expect(after).toMatchObject({ conversation: { title: 'New' }, lastEventId: '3-3' });
    expect(after.turn?.bubbles).toEqual(['So far, so good']);
  });

  // Guard: the end of a recording's turn that has no message takes what was told of the recording with it; so does its cancelling.
  test('shows nothing more of a recording of which no message comes', () => {
    const told = run(
      numbered(
        { ...base, type: 'transcript.partial', voiceSessionId: 'other', text: 'b', durationMs: 1 },
        { ...base, type: 'transcript.partial', voiceSessionId: 'v', text: 'a', durationMs: 1 },
        { ...base, type: 'agent.listening', voiceSessionId: 'v', text: 'Yes?' },
      ),
    );
    const details = { segments: [0] };
    const failure = { code: 'TRANSCRIPTION_FAILED' as const, message: 'm', retryable: true, details };
    const failed: Event = { ...base, type: 'turn.failed', turnId: 't', voiceSessionId: 'v', ...failure };
    const cancelled: Event = { ...base, type: 'recording.cancelled', voiceSessionId: 'v' };
    for (const data of [failed, cancelled]) {
      const state = reduce(told, { id: '3', data });
      expect(state.transcripts.map(({ voiceSessionId }) => voiceSessionId)).toEqual(['other']);
      expect(state.listening).toBeNull();
    }
    // Who wants to send it again is told which one it was.
    expect(reduce(told, { id: '3', data: failed }).outcomes).toEqual([
      { turnId: 't', status: 'failed', voiceSessionId: 'v', ...failure },
    ]);
  });

  test('hears: listening and transcripts, until their message is stored', () => {
    const voice = { voiceSessionId: 'v', durationMs: 1 };
    const events = numbered(
      { ...base, type: 'agent.listening', voiceSessionId: 'v', text: 'Yes?' },
      { ...base, ...voice, type: 'transcript.partial', text: 'a' },
      { ...base, ...voice, type: 'transcript.final', text: 'ab' },
      saved('m', 1, { voiceSessionId: 'v' }),
    );
    const before = run(events.slice(0, 3));
    expect(before.listening?.text).toBe('Yes?');
    expect(before.transcripts).toEqual([{ voiceSessionId: 'v', text: 'ab', durationMs: 1, final: true }]);
    const after = run(events);
    expect([after.listening, after.transcripts]).toEqual([null, []]);
    let many = after;
    for (let i = 100; i < 200; i++)
      many = reduce(many, {
        id: `3-${i}`,
        data: { ...base, type: 'transcript.partial', text: 'a', voiceSessionId: `${i}`, durationMs: 1 },
      });
    expect(many.transcripts.length).toBe(16);
  });

  test('speaks: failed sentences, silence, attachments, a reference', () => {
    const attachment = {
      id: 'a',
      filename: 'f',
      mediaType: 'image/png',
      size: 1,
      sha256: 's',
      url: 'u',
      kind: 'image' as const,
    };
    const { turn } = run(
      numbered(
        started('t'),
        { ...base, type: 'agent.text', turnId: 't', sentence: 1, text: 'b', bubble: 0 },
        { ...base, type: 'agent.audioFailed', turnId: 't', sentence: 0, reason: 'TTS_UNAVAILABLE' },
        { ...base, type: 'agent.attachment', turnId: 't', ...attachment },
        { ...base, type: 'agent.reference', turnId: 't', title: 'T', summary: 'S' },
        { ...base, type: 'speech.stop', turnId: 't' },
        saved('m', 1, { role: 'agent' }),
      ),
    );
    expect(turn).toMatchObject({
      sentences: [
        { sentence: 0, text: '', failed: 'TTS_UNAVAILABLE' },
        { sentence: 1, text: 'b' },
      ],
      attachments: [attachment],
      reference: { title: 'T', summary: 'S' },
      silenced: true,
      messageId: 'm',
    });
  });

  test('follows a call', () => {
    const events = numbered(
      { ...base, type: 'call.started', callId: 'k', trackId: 'r' },
      { ...base, type: 'call.speechStarted', callId: 'k' },
      { ...base, type: 'call.speechStopped', callId: 'other' },
      { ...base, type: 'call.stopped', callId: 'other', reason: 'x' },
      { ...base, type: 'call.stopped', callId: 'k', reason: 'x' },
    );
    expect(run(events.slice(0, 4)).call).toEqual({ callId: 'k', trackId: 'r', speaking: true });
    expect(run(events).call).toBeNull();
  });

  test('ends, and is empty when the conversation is deleted', () => {
    const known = initialState({ conversation: conversation('T') });
    const ended = run(numbered(saved('m', 1), { ...base, type: 'conversation.ended' }), known);
    expect(ended).toMatchObject({ status: 'ended', conversation: { status: 'ended', endedAt: 9 } });
    expect(ended.messages.length).toBe(1);
    const deleted = reduce(ended, { id: '9', data: { ...base, type: 'conversation.deleted' } });
    expect(deleted).toEqual({ ...initialState(), status: 'deleted', lastEventId: '9' });
  });
});
