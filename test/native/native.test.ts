import { mkdtemp, open, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ParleyOptions } from '@parley/client/connect';
import type { Tracked } from '@parley/shared/event';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { until } from '../support/parley.ts';
import { answer, gate } from '../support/provider.ts';
import { type FaultyProxy, startProxy } from '../support/proxy.ts';
import { speech, startVoiceService, type VoiceService } from '../support/voice.ts';
import { watch } from '../support/watch.ts';
import { type Bundles, build, compile, compiler } from './build.ts';
import type { ParleyClient } from './core.ts';
import { Phone } from './phone.ts';

let folder: string;
let bundles: Bundles;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-native-'));
  bundles = await build(folder);
}, 240_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a bundle of', () => {
  test('the client, with recorder and player, and without React Native, is small', async () => {
    expect((await stat(bundles.core)).size).toBeLessThanOrEqual(120 * 1024);
  });

  const hermesc = compiler();
  if (!hermesc) console.error('No Hermes compiler for this platform: the bundles are not compiled to bytecode.');
  const levels = [
    ['core', '-O'],
    ['example', '-O0'],
  ] as const;
  test.skipIf(!hermesc).each(levels)('the %s is compiled by Hermes with %s', async (name, level) => {
    const file = await open(await compile(hermesc ?? '', bundles[name], level));
    const { buffer } = await file.read(Buffer.alloc(8), 0, 8, 0);
    await file.close();
    // The magic number of Hermes bytecode.
    expect(buffer.readBigUInt64LE()).toBe(0x1f1903c103bc1fc6n);
  });

  test('the example has the client and React Native in it', async () => {
    const code = await readFile(bundles.example, 'utf8');
    for (const text of ['/trpc', 'WebSocketModule', 'ExpoAudio']) expect(code).toContain(text);
  });
});

describe('in React Native', () => {
  let app: App;
  let voice: VoiceService;
  let proxy: FaultyProxy;
  const phones: Phone[] = [];
  beforeAll(async () => {
    voice = await startVoiceService();
    app = await startApp({ env: voice.env });
  });
  afterAll(async () => {
    await app?.stop();
    await voice?.close();
  });
  beforeEach(async () => {
    proxy = await startProxy(app.url);
  });
  afterEach(async () => {
    for (const phone of phones.splice(0)) phone.close();
    await proxy.close();
  });

  async function startPhone(): Promise<{ phone: Phone; client: ParleyClient }> {
    const phone = await Phone.boot(bundles.environment);
    phones.push(phone);
    await phone.load(bundles.core);
    const client = phone.run('parleyClient');
    if (!isClient(client)) throw new Error('the bundle has left no client');
    return { phone, client };
  }

  async function startParley(options: Partial<ParleyOptions> = {}) {
    const { phone, client } = await startPhone();
    const parley = client.createParley({ url: proxy.url, token: await app.token('ann'), ...options });
    return { phone, client, parley };
  }

  /** Follows a conversation on the phone, and beside it on a connection that nothing happens to. */
  async function follow(parley: ReturnType<ParleyClient['createParley']>) {
    const conversation = await parley.conversations.create();
    const truth = watch(await app.trpc('ann'), { conversationId: conversation.id });
    await truth.started;
    const seen: Tracked[] = [];
    const over = (async () => {
      for await (const tracked of conversation.events()) {
        seen.push(tracked);
        if (tracked.data.type === 'turn.completed') return;
      }
    })();
    return { conversation, truth, seen, over };
  }

  test('the globals are those of React Native, and no others', async () => {
    const { phone } = await startPhone();
    const kinds = (names: string[]): unknown =>
      phone.run(`${JSON.stringify(names)}.map((name) => typeof globalThis[name]).join()`);
    const there = ['fetch', 'WebSocket', 'XMLHttpRequest', 'AbortController', 'URL', 'setTimeout', 'queueMicrotask'];
    expect(kinds(there)).toBe(there.map(() => 'function').join());
    const missing = [
      'Buffer',
      'EventSource',
      'ReadableStream',
      'TextDecoder',
      'structuredClone',
      'crypto',
      'require',
      'DOMException',
    ];
    expect(kinds(missing)).toBe(missing.map(() => 'undefined').join());
    // React Native itself puts it there, with nothing else.
    expect(phone.run('JSON.stringify(process)')).toBe('{"env":{"NODE_ENV":"production"}}');
    expect(() => phone.run('new TextDecoder()')).toThrow('TextDecoder is not defined');
  });

  test.each(['binary', 'websocket'] as const)('an answer streams over %s', async (transport) => {
    const { phone, parley } = await startParley({ transport });
    const conversation = await parley.conversations.create({ title: '世界 🦜' });
    app.provider.script(answer('Grüße, ', '世界 ', '🦜.'));
    const turn = conversation.send('Hello');
    const pieces: string[] = [];
    for await (const piece of turn.deltas()) pieces.push(piece);
    expect(pieces.join('')).toBe('Grüße, 世界 🦜.');
    expect((await turn.done).type).toBe('turn.completed');
    await parley.close();
    expect(phone.logged).toEqual([]);
  });

  const deaths = {
    'is told of when the app is back': ({ phone }: { phone: Phone }) => {
      phone.suspend();
      proxy.cut();
    },
    'is never told of': ({ phone }: { phone: Phone }) => {
      phone.suspend();
      phone.sockets.abandon();
    },
  };
  test.each(Object.entries(deaths))('a connection lost in the background, which %s, costs no event', async (_, die) => {
    const { phone, parley } = await startParley();
    const { conversation, truth, seen, over } = await follow(parley);
    const held = gate();
    app.provider.script(answer('Once upon ', 'a time', held, ' there was ', 'a parrot.'));
    const turn = conversation.send('Tell me a story');
    await turn.accepted;
    await truth.find((event) => event.type === 'agent.delta' && event.text === 'a time');
    await expect.poll(() => seen.some(({ data }) => data.type === 'agent.delta' && data.text === 'a time')).toBe(true);
    die({ phone });
    held.release();
    await truth.end(turn.id);
    const before = seen.length;
    expect(seen.some(({ data }) => data.type === 'turn.completed')).toBe(false);

    phone.resume();
    parley.wake();
    await over;
    expect(before).toBeGreaterThan(0);
    expect(seen.map(({ id }) => id)).toEqual(truth.seen.slice(0, seen.length).map(({ id }) => id));
    expect(await turn.text()).toBe('Once upon a time there was a parrot.');
    expect(phone.sockets.opened).toBeGreaterThan(1);
    await parley.close();
  });

  test('an answer that is cut again and again in the middle comes whole, each event once', async () => {
    const { phone, parley } = await startParley();
    const { conversation, truth, seen, over } = await follow(parley);
    const gates = [gate(), gate(), gate()] as const;
    app.provider.script(answer('one ', gates[0], 'two ', gates[1], 'three ', gates[2], 'four.'));
    const turn = conversation.send('Count');
    for (const [index, word] of ['one ', 'two ', 'three '].entries()) {
      await expect.poll(() => seen.some(({ data }) => data.type === 'agent.delta' && data.text === word)).toBe(true);
      proxy.cut();
      gates[index]?.release();
    }
    await over;
    expect(await turn.text()).toBe('one two three four.');
    expect(seen.map(({ id }) => id)).toEqual(truth.seen.slice(0, seen.length).map(({ id }) => id));
    expect(phone.sockets.opened).toBeGreaterThan(2);
    await parley.close();
  });

  test('an app that was ended goes on after the last event that it had', async () => {
    const first = await startParley();
    const { conversation, truth, seen } = await follow(first.parley);
    const held = gate();
    app.provider.script(answer('Before. ', held, 'After.'));
    const turnId = (await conversation.send('Hello').accepted).turnId;
    await truth.find((event) => event.type === 'agent.delta');
    await expect.poll(() => seen.some(({ data }) => data.type === 'agent.delta')).toBe(true);
    first.phone.close();
    held.release();
    await truth.end(turnId);

    const second = await startParley();
    const lastEventId = seen.at(-1)?.id;
    const rest = await until(
      second.parley.conversation(conversation.id).events({ lastEventId }),
      ({ data }) => data.type === 'turn.completed',
    );
    const ids = [...seen, ...rest].map(({ id }) => id);
    expect(ids).toEqual(truth.seen.slice(0, ids.length).map(({ id }) => id));
    expect(rest.length).toBeGreaterThan(0);
    await second.parley.close();
  });

  test('what is recorded arrives as bytes, and what is spoken is played', async () => {
    const { client, parley } = await startParley();
    const conversation = await parley.conversations.create();
    app.provider.script(answer('I heard you.'));
    const played: number[] = [];
    let now = 0;
    const output = {
      now: () => (now += 50),
      play: (samples: Float32Array) => played.push(samples.length),
      stop: () => {},
    };
    const player = client.createPlayer({ output });
    const events = conversation.events();
    const source = client.pcmSource({ sampleRate: 16_000 });
    const voiceCalls = client.voiceCalls(parley);
    const recorder = client.createRecorder({ conversationId: conversation.id, source, voice: voiceCalls });
    await recorder.start();
    const bytes = speech(7);
    source.push(new Int16Array(bytes.buffer, 0, bytes.length / 2));
    const { turnId } = await recorder.stop();
    const seen = await until(events, ({ data }) => {
      void player.push(data);
      return data.type === 'turn.completed' && data.turnId === turnId;
    });
    await player.idle();
    expect(seen.map(({ data }) => (data.type === 'transcript.final' ? data.text : ''))).toContain('Piece 7.');
    expect(played.reduce((sum, length) => sum + length, 0)).toBeGreaterThan(1_000);
    await parley.close();
  });

  test('calls go over fetch too', async () => {
    const { parley } = await startParley({ transport: 'http' });
    const { id } = await parley.conversations.create({ title: 'Over HTTP' });
    expect((await parley.trpc.conversations.get.query({ conversationId: id })).title).toBe('Over HTTP');
    await parley.close();
  });
});

function isClient(value: unknown): value is ParleyClient {
  return typeof value === 'object' && value !== null && 'createParley' in value && 'createRecorder' in value;
}
