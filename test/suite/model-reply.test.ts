import type { Model, ModelPart } from '@parley/server/model/port';
import { ModelError } from '@parley/server/model/port';
import { reply } from '@parley/server/turn/reply';
import { expect, it, vi } from 'vitest';
import { ask, failure, prompt } from '../support/ask.ts';

type Attempt = (signal: AbortSignal) => AsyncGenerator<ModelPart, void>;

/** A model whose attempts are written down here; it records the signals it was given and which attempts were closed. */
function scripted(...attempts: Attempt[]): Model & { signals: AbortSignal[]; closed: number[] } {
  const signals: AbortSignal[] = [];
  const closed: number[] = [];
  return {
    name: 'scripted',
    model: 'scripted',
    signals,
    closed,
    async *stream(_request, signal) {
      const number = signals.push(signal) - 1;
      try {
        yield* (attempts[number] ?? says('extra'))(signal);
      } finally {
        closed.push(number);
      }
    },
  };
}

const never = new Promise<never>(() => undefined);
const says = (...texts: string[]): Attempt =>
  async function* () {
    for (const text of texts) yield { type: 'text', text };
    yield { type: 'finish', reason: 'stop' };
  };
const fails = (error: unknown, ...before: ModelPart[]): Attempt =>
  async function* () {
    yield* before;
    throw error;
  };
/** Gives these parts and then never settles, whatever is done to it. */
const hangs = (...before: ModelPart[]): Attempt =>
  async function* () {
    yield* before;
    await never;
  };
const busy = (retryAfterMs?: number) => new ModelError('MODEL_UNAVAILABLE', { transient: true, retryAfterMs });
const timeout = { reason: 'MODEL_TIMEOUT', transient: true };
/** Models are closed without being waited for. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('passes text, usage and finish on, and nothing else', async () => {
  const model = scripted(async function* () {
    yield { type: 'reasoning' };
    yield { type: 'text', text: '' };
    yield { type: 'text', text: 'One' };
    yield { type: 'usage', tokensIn: 1, tokensOut: 2 };
    yield { type: 'finish', reason: 'length' };
    yield { type: 'text', text: 'late' };
  });
  const asked = await ask(model);
  expect(asked.parts).toEqual([
    { type: 'text', text: 'One' },
    { type: 'usage', tokensIn: 1, tokensOut: 2 },
    { type: 'finish', reason: 'length' },
  ]);
  await settled();
  expect(model.closed).toEqual([0]);
});

it('calls an answer without a finish incomplete', async () => {
  const model = scripted(async function* () {
    yield { type: 'text', text: 'One' };
  });
  const asked = await ask(model);
  expect(failure(asked.error)).toEqual({ reason: 'MODEL_INCOMPLETE', transient: true });
  expect(asked).toMatchObject({ text: 'One', attempts: 1 });
});

it('asks again before the first text only, and says why', async () => {
  const early = busy();
  const model = scripted(
    fails(early, { type: 'reasoning' }),
    fails(busy(), { type: 'text', text: 'One' }),
    says('Two'),
  );
  const onAttempt = vi.fn();
  const asked = await ask(model, { onAttempt });
  expect(failure(asked.error)).toEqual({ reason: 'MODEL_UNAVAILABLE', transient: true });
  expect(asked.text).toBe('One');
  expect(onAttempt.mock.calls).toEqual([
    [1, undefined],
    [2, early],
  ]);
  await settled();
  expect(model.closed).toEqual([0, 1]);
});

it('asks three times at most', async () => {
  const model = scripted(...Array.from({ length: 5 }, () => fails(busy())));
  expect(await ask(model)).toMatchObject({ attempts: 3, text: '' });
  expect(model.signals).toHaveLength(3);
});

it('does not ask again after what would be the same again', async () => {
  const lasting = new ModelError('MODEL_UNAVAILABLE', { transient: false });
  expect(await ask(scripted(fails(lasting), says('One')))).toMatchObject({ attempts: 1, error: lasting });
  const bug = new TypeError('a bug');
  expect(await ask(scripted(fails(bug), says('One')))).toMatchObject({ attempts: 1, error: bug });
});

it('waits as long as the service wants', async () => {
  const began = performance.now();
  expect(await ask(scripted(fails(busy(150)), says('One')))).toMatchObject({ attempts: 2, text: 'One' });
  expect(performance.now() - began).toBeGreaterThanOrEqual(149);
});

it('does not wait longer than is worth it, nor past the total deadline', async () => {
  expect(await ask(scripted(fails(busy(60_000))))).toMatchObject({ attempts: 1, error: { retryAfterMs: 60_000 } });
  expect(await ask(scripted(fails(busy(900))), { totalMs: 500 })).toMatchObject({ attempts: 1 });
});

it('gives up on a model that says nothing, and asks again, within the first-token deadline of each attempt', async () => {
  const model = scripted(hangs(), hangs(), says('One'));
  expect(await ask(model, { firstTokenMs: 30 })).toMatchObject({ attempts: 3, text: 'One', finish: 'stop' });
  expect(model.signals.map(({ aborted }) => aborted)).toEqual([true, true, true]);
});

it('gives up on a model that falls silent in mid-reply', async () => {
  const asked = await ask(scripted(hangs({ type: 'text', text: 'One' })), { idleMs: 30 });
  expect(failure(asked.error)).toEqual(timeout);
  expect(asked).toMatchObject({ attempts: 1, text: 'One' });
});

it('holds a model that thinks to the idle deadline instead of the first-token deadline', async () => {
  const asked = await ask(scripted(hangs({ type: 'reasoning' })), { firstTokenMs: 100_000, idleMs: 30, attempts: 1 });
  expect(failure(asked.error)).toEqual(timeout);
});

it('gives up on an answer that takes too long over all attempts, however lively it is', async () => {
  const model = scripted(fails(busy()), async function* () {
    for (;;) {
      await new Promise(setImmediate);
      yield { type: 'text', text: '.' };
    }
  });
  const asked = await ask(model, { totalMs: 400 });
  expect(failure(asked.error)).toEqual({ reason: 'MODEL_TIMEOUT', transient: false });
  expect(asked.attempts).toBe(2);
});

it('counts no time against the model while its reader is slow', async () => {
  const parts = reply(
    scripted(says('One', ' two')),
    prompt(),
    { firstTokenMs: 40, idleMs: 40 },
    new AbortController().signal,
  );
  let text = '';
  for await (const part of parts) {
    if (part.type === 'text') text += part.text;
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  expect(text).toBe('One two');
});

it('throws the reason of an abort at once, even from a model that never settles', async () => {
  const controller = new AbortController();
  const stop = new Error('interrupted');
  const model = scripted(hangs({ type: 'text', text: 'One' }));
  const asked = await ask(model, {}, controller.signal, () => setImmediate(() => controller.abort(stop)));
  expect(asked).toMatchObject({ error: stop, text: 'One' });
  expect(model.signals[0]?.reason).toBe(stop);
});

it('throws the reason of an abort during a wait, and asks no more', async () => {
  const controller = new AbortController();
  const stop = new Error('interrupted');
  const model = scripted(async function* () {
    setImmediate(() => controller.abort(stop));
    throw busy(9_000);
  });
  expect(await ask(model, {}, controller.signal)).toMatchObject({ error: stop, attempts: 1 });
});

it('throws the reason of an abort that came before, without asking', async () => {
  const stop = new Error('interrupted');
  const model = scripted();
  expect(await ask(model, {}, AbortSignal.abort(stop))).toMatchObject({ error: stop, attempts: 0 });
  expect(model.signals).toHaveLength(0);
});

it('closes the model when its reader leaves', async () => {
  const model = scripted(says('One', 'two'));
  for await (const _ of reply(model, prompt(), {}, new AbortController().signal)) break;
  await settled();
  expect(model.closed).toEqual([0]);
  expect(model.signals[0]?.aborted).toBe(true);
});

it('leaves no timer and no listener behind', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, 'addEventListener');
    const removed = vi.spyOn(signal, 'removeEventListener');
    const asked = Promise.all([
      ask(scripted(says('One')), {}, signal),
      ask(scripted(fails(busy()), fails(busy()), fails(busy())), {}, signal),
      ask(scripted(hangs({ type: 'text', text: 'One' })), {}, signal),
      ask(scripted(hangs()), { attempts: 1 }, signal),
    ]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await asked).map(({ attempts }) => attempts)).toEqual([1, 3, 1, 1]);
    expect(vi.getTimerCount()).toBe(0);
    expect(added).toHaveBeenCalled();
    expect(removed.mock.calls.length).toBeGreaterThanOrEqual(added.mock.calls.length);
  } finally {
    vi.useRealTimers();
  }
});
