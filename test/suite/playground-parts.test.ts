import { ParleyFailure } from '@parley/client/failure';
import { measure, problemsOf } from '@parley/client/playground/src/call';
import { idsIn, remember } from '@parley/client/playground/src/recall';
import { type LiveCallbacks, Watched } from '@parley/client/playground/src/watched';
import { describe, expect, it } from 'vitest';

/** A client whose subscriptions are driven by hand. */
function scripted() {
  const calls: { input: unknown; on: LiveCallbacks; stopped: boolean }[] = [];
  const client = {
    subscription(_path: string, input: unknown, on: LiveCallbacks) {
      const call = { input, on, stopped: false };
      calls.push(call);
      return {
        unsubscribe() {
          call.stopped = true;
        },
      };
    },
  };
  return { client, calls };
}

/** Until it shows what fits. */
function shown(live: Watched, isIt: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!isIt()) return;
      leave();
      resolve();
    };
    const leave = live.subscribe(look);
    look();
  });
}

describe('a subscription that is watched', () => {
  it('keeps the newest values only, counts all, and goes on after the last', async () => {
    const { client, calls } = scripted();
    const live = new Watched(() => client, 'conversations.events', { conversationId: 'c' });
    expect(live.view().state.is).toBe('connecting');
    for (let i = 1; i <= 250; i++) calls[0]?.on.onData({ id: `e${i}`, data: { type: 'x' } });
    await shown(live, () => live.view().count === 250);
    const { arrivals, lastId, state } = live.view();
    expect([arrivals.length, arrivals[0]?.number, arrivals.at(-1)?.id, lastId, state.is]).toEqual([
      200,
      51,
      'e250',
      'e250',
      'live',
    ]);
    live.stop();
    expect([calls[0]?.stopped, live.view().state.is]).toEqual([true, 'stopped']);
    live.resume();
    live.resume();
    expect(calls.map(({ input }) => input)).toEqual([
      { conversationId: 'c' },
      { conversationId: 'c', lastEventId: 'e250' },
    ]);
    calls[1]?.on.onComplete();
    expect(live.view().state.is).toBe('ended');
  });

  it('shows why it failed, and can be begun again', () => {
    const { client, calls } = scripted();
    const live = new Watched(() => client, 'conversations.events', undefined);
    calls[0]?.on.onError(new Error('no'));
    expect(live.view().state).toMatchObject({ is: 'failed', failure: { reason: 'UNAVAILABLE' } });
    live.resume();
    expect(calls).toHaveLength(2);
    expect(calls[1]?.input).toBeUndefined();
  });
});

describe('ids that calls show', () => {
  it('are known by the field that takes them', () => {
    expect(idsIn('conversations.create', { id: 'c1', assistantId: null })).toEqual([['conversationId', 'c1']]);
    expect(idsIn('conversations.list', { items: [{ id: 'c1' }, { id: 'c2' }] })).toEqual([
      ['conversationId', 'c1'],
      ['conversationId', 'c2'],
    ]);
    expect(idsIn('turns.send', { turnId: 't1', userMessageId: 'm1', createdAt: new Date() })).toEqual([
      ['turnId', 't1'],
      ['userMessageId', 'm1'],
    ]);
    // The id of a message is not that of a conversation.
    expect(idsIn('conversations.messages', { items: [{ id: 'm1', turnId: 't1' }] })).toEqual([['turnId', 't1']]);
    expect(idsIn('x.y', undefined)).toEqual([]);
  });

  it('are bounded, the newest first, each once', () => {
    let known = {};
    for (let i = 0; i < 30; i++) known = remember(known, [['turnId', `t${i}`]]);
    known = remember(known, [['turnId', 't25']]);
    expect(Object.values(known)).toEqual([
      ['t25', 't29', 't28', 't27', 't26', 't24', 't23', 't22', 't21', 't20', 't19', 't18'],
    ]);
    expect(idsIn('x.list', { items: Array.from({ length: 500 }, (_, i) => ({ turnId: `t${i}` })) }).length).toBe(12);
  });
});

describe('a call', () => {
  it('is measured, and tells what became of it', async () => {
    const never = new AbortController().signal;
    expect(await measure(async () => 17, never)).toEqual({ is: 'answered', value: 17, ms: expect.any(Number) });
    const failure = new ParleyFailure('INVALID_INPUT', 'no', {
      details: { issues: [{ path: 'parts.0.text', message: 'too long' }] },
    });
    const failed = await measure(() => Promise.reject(failure), never);
    expect(failed).toMatchObject({ is: 'failed', failure });
    expect([...problemsOf(failed)]).toEqual([['parts.0.text', 'too long']]);
    const cancelled = await measure(() => Promise.reject(new Error('aborted')), AbortSignal.abort());
    expect(cancelled.is).toBe('cancelled');
    expect(problemsOf(cancelled).size).toBe(0);
  });
});
