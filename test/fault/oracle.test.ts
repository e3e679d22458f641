import type { Event, Tracked } from '@parley/shared/event';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findViolations, type Log, type Send, type Stored } from '../support/oracle.ts';
import { answer, gate } from '../support/provider.ts';
import { type Crew, startCrew } from './crew.ts';

let crew: Crew;
let log: Log;
let send: Send;
let stored: Stored;

beforeAll(async () => {
  crew = await startCrew();
  const replica = await crew.start();
  const conversationId = await crew.conversation(replica);
  const watcher = await crew.watch(conversationId, [replica]);
  // Pieces that come one by one are events of their own.
  const pieces = ['You said: One. Two.', ' 1', ' 2', ' 3', ' 4'];
  const gates = pieces.map(() => gate());
  crew.provider.script(answer(...pieces.flatMap((piece, i) => [piece, gates[i] ?? ''])));
  const message = crew.message(conversationId, 'One. Two');
  await message.to(replica);
  for (const [i, { release }] of gates.entries()) {
    await watcher.find(() => watcher.events.filter(({ data }) => data.type === 'agent.delta').length > i);
    release();
  }
  await watcher.end(message.turnId);
  stored = await crew.settled();
  await watcher.close();
  log = { name: 'log', conversationId, events: [...watcher.events] };
  send = message;
});
afterAll(() => crew.stop());

const at = (type: Event['type'], which = 0): number =>
  log.events.map(({ data }, i) => ({ type: data.type, i })).filter((event) => event.type === type)[which]?.i ?? -1;

/** The log with ids that increase whatever was done to it. */
function numbered(events: readonly Tracked[]): Log {
  return { ...log, events: events.map(({ data }, i) => ({ id: `0-${String(i).padStart(5, '0')}`, data })) };
}

function without(type: Event['type'], which = 0): Log {
  return numbered(log.events.toSpliced(at(type, which), 1));
}

function moved(type: Event['type'], to: number, which = 0): Log {
  const from = at(type, which);
  const event = log.events[from];
  if (!event) throw new Error(`no ${type}`);
  return numbered(log.events.toSpliced(from, 1).toSpliced(to, 0, event));
}

function changed(type: Event['type'], change: (event: Event) => Event, which = 0): Log {
  return numbered(
    log.events.map((event, i) => (i === at(type, which) ? { ...event, data: change(event.data) } : event)),
  );
}

const judge = (broken: Partial<{ log: Log; send: Send; stored: Stored }>): string[] =>
  findViolations({ logs: [broken.log ?? log], sends: [broken.send ?? send] }, broken.stored ?? stored);

describe('the oracle', () => {
  it('has nothing to say of a turn that went well', () => {
    expect(judge({})).toEqual([]);
    expect(judge({ log: numbered(log.events) })).toEqual([]);
    expect(log.events.length).toBeGreaterThan(8);
  });

  it.each<[string, () => Log, RegExp]>([
    ['an event twice', () => ({ ...log, events: [...log.events.slice(0, 3), ...log.events.slice(2)] }), /came after/],
    ['events out of order', () => ({ ...log, events: log.events.toReversed() }), /came after/],
    ['no beginning', () => without('turn.started'), /begins with/],
    ['a second beginning', () => moved('turn.started', 4), /begins with|started again|started twice/],
    ['no user message', () => without('message.saved'), /before its user's message/],
    ['a lost delta', () => without('agent.delta', 1), /no prefix|not in the deltas/],
    ['the last delta lost', () => without('agent.delta', 4), /not in the deltas|less was seen/],
    [
      'a delta too many',
      () =>
        numbered(
          log.events.toSpliced(at('agent.delta'), 0, ...log.events.slice(at('agent.delta'), at('agent.delta') + 1)),
        ),
      /no prefix/,
    ],
    ['deltas swapped', () => moved('agent.delta', at('agent.delta', 2), 1), /no prefix|not in the deltas/],
    [
      'a bubble skipped',
      () => changed('agent.delta', (event) => ({ ...event, bubble: 2 }) as Event, 2),
      /bubble 2 after 0/,
    ],
    ['a hole in the sentences', () => without('agent.text'), /in place of 0/],
    ['the last sentence lost', () => without('agent.text', 1), /sentences are not its deltas/],
    ['a sentence before its deltas', () => moved('agent.text', 2), /not in the deltas/],
    ['no answer', () => without('message.saved', 1), /ended with answer/],
    ['an answer after the end', () => moved('message.saved', log.events.length - 1, 1), /after its end/],
    [
      'another answer',
      () =>
        changed(
          'message.saved',
          (event) =>
            ({
              ...event,
              message: {
                ...('message' in event && typeof event.message === 'object' ? event.message : {}),
                parts: [{ type: 'text', text: 'x' }],
              },
            }) as Event,
          1,
        ),
      /another text/,
    ],
    ['a delta after the answer', () => moved('agent.delta', at('turn.metrics'), 4), /after its answer was saved/],
    ['metrics after the end', () => moved('turn.metrics', log.events.length - 1), /after its end/],
    ['no end', () => without('turn.completed'), /never ended/],
    ['two ends', () => numbered([...log.events, ...log.events.slice(-1)]), /after its end/],
    [
      'another end',
      () => changed('turn.completed', (event) => ({ ...event, type: 'turn.interrupted' }) as Event),
      /stored as completed/,
    ],
    [
      'an event of another conversation',
      () => changed('turn.metrics', (event) => ({ ...event, conversationId: 'x' })),
      /another conversation/,
    ],
  ])('finds %s', (_, broken, says) => {
    expect(judge({ log: broken() }).join('\n')).toMatch(says);
  });

  const gap = (after: number, snapshot: object): Log => {
    const conversation = { id: log.conversationId };
    const messages = log.events.flatMap(({ data }) => (data.type === 'message.saved' ? [data.message] : []));
    const data = {
      type: 'gap',
      conversationId: log.conversationId,
      at: 0,
      reason: '',
      snapshot: { conversation, messages, turn: null, ...snapshot },
    };
    return numbered([...log.events.slice(0, after), { id: '', data: data as Event }]);
  };
  const running = (bubbles: string[]) => ({ id: send.turnId, status: 'running', text: bubbles.join(''), bubbles });

  it('takes a gap whose snapshot has the rest', () => {
    expect(judge({ log: gap(at('agent.delta', 3), {}) })).toEqual([]);
    const here = gap(at('agent.delta', 3), { turn: running(['You said: One. Two. 1 2']) });
    expect(judge({ log: numbered([...here.events, ...log.events.slice(at('agent.delta', 3))]) })).toEqual([]);
  });

  it.each<[string, () => Log, RegExp]>([
    ['less text than was seen', () => gap(at('agent.delta', 3), { turn: running(['You']) }), /less than was seen/],
    [
      'a text that is not its bubbles',
      () => gap(at('agent.delta', 3), { turn: { ...running(['You said: One. Two. 1 2']), text: 'x' } }),
      /not that of its bubbles/,
    ],
    [
      'a turn that is over',
      () => gap(log.events.length, { turn: running(['You said: One. Two. 1 2']) }),
      /runs after its end/,
    ],
    ['neither turn nor answer', () => gap(at('agent.delta', 3), { messages: [] }), /never ended/],
    ['messages that are not stored', () => gap(2, { messages: [{ id: 'x', createdAt: 0, parts: [] }] }), /not stored/],
    [
      'messages out of order',
      () => {
        const messages = log.events.flatMap(({ data }) => (data.type === 'message.saved' ? [data.message] : []));
        return gap(2, { messages: messages.toReversed() });
      },
      /do not increase/,
    ],
  ])('finds a gap with %s', (_, broken, says) => {
    expect(judge({ log: broken() }).join('\n')).toMatch(says);
  });

  it.each<[string, () => Partial<Stored>, RegExp]>([
    ['a lost message', () => ({ messages: stored.messages.slice(1) }), /acknowledged and is stored 0 times/],
    ['a message twice', () => ({ messages: [...stored.messages, ...stored.messages] }), /stored 2 times/],
    ['a message without its turn', () => ({ turns: [] }), /0 turns, 1 messages/],
    ['an answer before its question', () => ({ messages: stored.messages.toReversed() }), /do not increase/],
    ['two answers', () => ({ messages: [...stored.messages, ...stored.messages.slice(1)] }), /2 answers/],
    [
      'a turn that goes on',
      () => ({ turns: stored.turns.map((turn) => ({ ...turn, status: 'running' as const })) }),
      /still running/,
    ],
    [
      'an end that nobody announced',
      () => ({ turns: stored.turns.map((turn) => ({ ...turn, announced: false })) }),
      /never announced/,
    ],
    [
      'a failure without a reason',
      () => ({ turns: stored.turns.map((turn) => ({ ...turn, status: 'failed' as const })) }),
      /with code null/,
    ],
    [
      'an answer shorter than was seen',
      () => ({
        messages: stored.messages.map((message) => ({ ...message, parts: [{ type: 'text' as const, text: 'You' }] })),
      }),
      /another text/,
    ],
    [
      'a wrong count',
      () => ({ conversations: stored.conversations.map((row) => ({ ...row, messageCount: 7 })) }),
      /counts 7 of 2/,
    ],
    ['progress of what is over', () => ({ progress: [send.turnId] }), /progress is still kept/],
    [
      'two turns that run',
      () => ({ turns: [0, 1].flatMap(() => stored.turns.map((turn) => ({ ...turn, status: 'running' as const }))) }),
      /2 turns run/,
    ],
  ])('finds %s in the database', (_, broken, says) => {
    expect(judge({ stored: { ...stored, ...broken() } }).join('\n')).toMatch(says);
  });

  it('finds a message that nobody sent', () => {
    expect(judge({ send: { ...send, turnId: 'x', acknowledged: false } }).join('\n')).toMatch(/was never sent/);
  });
});
