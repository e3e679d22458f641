import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { answer, gate, refusal } from '../support/provider.ts';
import { recording } from '../support/recording.ts';
import type { SocketClient } from '../support/stock.ts';
import { saying, startVoiceService, type VoiceService } from '../support/voice.ts';
import { type Watch, watch } from '../support/watch.ts';

// What an operator sees of a spoken turn: its spans, through whichever SDK is registered, and what is counted of it.

const exporter = new InMemorySpanExporter();
const sentences = ['One is here. ', 'Two is there. ', 'Three is done.'];

let service: VoiceService;
let app: App;
let ada: SocketClient;

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  service = await startVoiceService();
  app = await startApp({ env: service.env });
  ada = await app.trpc('ada');
});
afterAll(async () => {
  await app.stop();
  await service.close();
  trace.disable();
  context.disable();
});
beforeEach(() => {
  exporter.reset();
  service.forget();
});

async function begin(): Promise<{ watched: Watch; conversationId: string }> {
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const watched = watch(ada, { conversationId });
  await watched.started;
  return { watched, conversationId };
}

async function ask(...pieces: Parameters<typeof answer>): Promise<{ watched: Watch; turnId: string }> {
  const { watched, conversationId } = await begin();
  app.provider.script(answer(...pieces));
  const parts = [{ type: 'text' as const, text: 'tell me' }];
  const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: true });
  return { watched, turnId };
}

/** The one turn that has ended, and its steps in the order in which they began. */
function tree(): { turn: ReadableSpan; steps: ReadableSpan[] } {
  const spans = exporter.getFinishedSpans();
  const [turn, ...more] = spans.filter(({ parentSpanContext }) => parentSpanContext === undefined);
  if (!turn) throw new Error('no turn');
  expect(more).toEqual([]);
  const steps = spans.filter((span) => span !== turn);
  for (const step of steps) {
    expect(step.parentSpanContext?.spanId).toBe(turn.spanContext().spanId);
    expect(step.spanContext().traceId).toBe(turn.spanContext().traceId);
  }
  return { turn, steps: steps.toSorted((a, b) => at(a.startTime) - at(b.startTime)) };
}

/** Milliseconds, of seconds and nanoseconds. */
const at = ([seconds, nanoseconds]: ReadableSpan['startTime']): number => seconds * 1_000 + nanoseconds / 1e6;
/** Those with a name; sentences in their order. */
const named = (steps: readonly ReadableSpan[], name: string): ReadableSpan[] =>
  steps
    .filter((step) => step.name === name)
    .toSorted((a, b) => Number(a.attributes['parley.sentence']) - Number(b.attributes['parley.sentence']));
const eventsOf = ({ events }: ReadableSpan): string[] => events.map(({ name }) => name);

describe('the spans of a turn', () => {
  it('are one for a spoken turn with one for each of its steps, of ids and numbers only', async () => {
    const { watched, conversationId } = await begin();
    const take = recording(ada, conversationId);
    app.provider.script(answer(...sentences));
    await take.send(0);
    const { turnId = '' } = await take.send(1, { isLast: true });
    expect((await watched.end(turnId)).type).toBe('turn.completed');

    const { turn, steps } = tree();
    const [human, agent] = watched.all('message.saved', turnId);
    expect(turn.name).toBe('turn');
    expect(turn.attributes).toEqual({
      'parley.turn.id': turnId,
      'parley.turn.input': 'voice',
      'parley.turn.generation': 1,
      'parley.turn.status': 'completed',
      'parley.conversation.id': conversationId,
      'parley.message.id': human?.message.id,
      'parley.reply.id': agent?.message.id,
    });
    expect(eventsOf(turn)).toEqual(['first delta', 'first sentence', 'first audio']);
    expect(turn.status.code).toBe(SpanStatusCode.UNSET);
    const spoken = Array.from(sentences, () => 'text to speech');
    expect(steps.map(({ name }) => name)).toEqual(['speech to text', 'prompt', 'model', ...spoken, 'settle']);
    for (const { startTime, endTime } of steps) {
      expect(at(startTime)).toBeGreaterThanOrEqual(at(turn.startTime));
      expect(at(endTime)).toBeGreaterThanOrEqual(at(startTime));
      expect(at(endTime)).toBeLessThanOrEqual(at(turn.endTime));
    }

    const { sttMs = 0, totalMs } = watched.all('turn.metrics', turnId)[0] ?? { totalMs: 0 };
    const [heard] = named(steps, 'speech to text');
    expect(heard?.attributes).toMatchObject({
      'parley.provider': 'openai/ears',
      'parley.audio.ms': 600,
      'parley.segments': 2,
      'parley.voice_session.id': take.voiceSessionId,
    });
    expect(at(heard?.endTime ?? [0, 0]) - at(turn.startTime)).toBeCloseTo(sttMs, 0);
    expect(at(turn.endTime) - at(turn.startTime)).toBeGreaterThanOrEqual(Math.floor(sttMs + totalMs));
    const [model] = named(steps, 'model');
    expect(eventsOf(model ?? turn)).toEqual(['first delta']);
    expect(model?.attributes).toMatchObject({ 'gen_ai.provider.name': 'openai', 'gen_ai.usage.output_tokens': 3 });
    for (const [sentence, step] of named(steps, 'text to speech').entries()) {
      expect(step.attributes).toMatchObject({ 'parley.sentence': sentence, 'parley.provider': 'openai/mouth' });
      expect(step.attributes['parley.audio.bytes']).toBeGreaterThan(0);
      expect(eventsOf(step)).toEqual(['first audio']);
    }
    const told = JSON.stringify([turn, ...steps].map(({ name, attributes, events }) => [name, attributes, events]));
    for (const content of [
      saying(0),
      saying(1),
      'Piece',
      ...sentences.map((sentence) => sentence.trim()),
      '"ada"',
      'acme',
    ])
      expect(told).not.toContain(content);
  });

  it('tell which sentence could not be spoken, while the turn is well', async () => {
    service.speak('Two', refusal(401));
    const { watched, turnId } = await ask(...sentences);
    await watched.end(turnId);
    const { turn, steps } = tree();
    const speech = named(steps, 'text to speech').map(({ status, attributes }) => [
      attributes['parley.sentence'],
      status.code,
      status.message,
    ]);
    const well = [SpanStatusCode.UNSET, undefined];
    expect(speech).toEqual([
      [0, ...well],
      [1, SpanStatusCode.ERROR, 'TTS_UNAVAILABLE'],
      [2, ...well],
    ]);
    expect(turn.status.code).toBe(SpanStatusCode.UNSET);
    expect(named(steps, 'speech to text')).toEqual([]);
  });

  it('tell of a model that fails, by its reason', async () => {
    const { watched, conversationId } = await begin();
    const parts = [{ type: 'text' as const, text: 'tell me' }];
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts, model: 'cut:1' });
    await watched.end(turnId);
    const { turn, steps } = tree();
    const failed = { code: SpanStatusCode.ERROR, message: expect.stringContaining('MODEL_INCOMPLETE') };
    expect(turn).toMatchObject({ status: failed, attributes: { 'parley.turn.status': 'failed' } });
    expect(named(steps, 'model')[0]?.status).toMatchObject(failed);
    expect(steps.at(-1)).toMatchObject({ name: 'settle', status: { code: SpanStatusCode.UNSET } });
  });

  it('end with a turn that is interrupted, whatever was under way', async () => {
    service.speak('Two', { headers: { 'content-type': 'audio/pcm' }, steps: [gate()] });
    const { watched, turnId } = await ask(...sentences, gate());
    await watched.first('agent.audio', turnId);
    const { conversationId } = await watched.first('turn.started');
    await ada.turns.interrupt.mutate({ conversationId, turnId });
    await watched.end(turnId);
    const { turn, steps } = tree();
    expect(turn).toMatchObject({
      status: { code: SpanStatusCode.UNSET },
      attributes: { 'parley.turn.status': 'interrupted' },
    });
    expect(named(steps, 'model')[0]?.status.code).toBe(SpanStatusCode.ERROR);
    expect(named(steps, 'text to speech').at(-1)?.status).toMatchObject({ message: 'Stopped' });
  });
});

it('/metrics counts what a spoken turn took, by provider and by nothing else', async () => {
  const count = async (): Promise<(name: string) => number> => {
    const body = await (await fetch(`${app.url}/metrics`)).text();
    expect(body).not.toMatch(/ears|mouth|acme|ada"/);
    const lines = new Map(body.split('\n').map((line) => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]));
    return (name) => lines.get(name) ?? 0;
  };
  const names = [
    'parley_stt_seconds_count{provider="openai"}',
    'parley_tts_seconds_count{provider="openai"}',
    'parley_first_audio_seconds_count',
    'parley_first_sentence_seconds_count',
    'parley_first_delta_seconds_count',
  ];
  const before = await count();
  const { watched, conversationId } = await begin();
  app.provider.script(answer(...sentences));
  const { turnId = '' } = await recording(ada, conversationId).send(0, { isLast: true });
  await watched.end(turnId);
  const after = await count();
  expect(names.map((name) => after(name) - before(name))).toEqual(names.map(() => 1));
  const { sttMs = 0 } = watched.all('turn.metrics', turnId)[0] ?? {};
  const sum = 'parley_stt_seconds_sum{provider="openai"}';
  expect(after(sum) - before(sum)).toBeCloseTo(sttMs / 1_000, 6);
});
