import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { audioBytes, openTap } from '../bench/tap.ts';
import { connectionOf } from '../bench/way.ts';
import { type App, startApp } from '../support/app.ts';
import { answer, type Step } from '../support/provider.ts';
import { pcm } from '../support/speech-provider.ts';
import { startVoiceService, type VoiceService } from '../support/voice.ts';

// What sound costs on the wire beyond itself, counted on the sockets. The bars hold for every answer whose sentences last a second
// or longer at 16 kHz, however the speech service cuts them.
//
// Guards: bytes as bytes on /trpc/binary; chunks that are large enough for what is around them.

const bars = { binary: 1.03, json: 1.36, sse: 1.36 } as const;

let service: VoiceService;
let app: App;
beforeAll(async () => {
  service = await startVoiceService();
  app = await startApp({ env: { ...service.env, RATE_TURNS_PER_MINUTE: '0' } });
});
afterAll(async () => {
  await app.stop();
  await service.close();
});

/** The sound of one sentence: so many bytes, written in pieces of so many. All of an answer is less than may wait for a subscriber. */
interface Sound {
  bytes: number;
  piece: number;
}

const words = ['apples', 'bread', 'cherries', 'dates', 'eggs'];
const least = 32_000;
const sound: fc.Arbitrary<Sound> = fc.record({
  bytes: fc.integer({ min: least / 2, max: 60_000 }).map((samples) => samples * 2),
  piece: fc.constantFrom(1_400, 4_096, 16_384, 65_536, 1_000_000),
});

function script({ bytes, piece }: Sound): Step[] {
  const samples = Uint8Array.from({ length: bytes }, (_, at) => (at * 31) & 0xff);
  return Array.from({ length: Math.ceil(bytes / piece) }, (_, at) => samples.subarray(at * piece, (at + 1) * piece));
}

async function speak(sounds: readonly Sound[]): Promise<void> {
  service.forget();
  const ada = await app.http('ada');
  const { id: conversationId } = await ada.conversations.create.mutate({});
  const connection = { port: Number(new URL(app.url).port), token: await app.token('ada'), conversationId };
  const transports = ['binary', 'json', 'sse'] as const;
  const taps = await Promise.all(transports.map((transport) => openTap(connectionOf(transport, connection))));
  try {
    const sentences = sounds.map((_, number) => `There are ${words[number]} here. `);
    for (const [number, each] of sounds.entries()) service.speak(` ${words[number]} `, pcm(...script(each)));
    app.provider.script(answer(...sentences));
    const parts = [{ type: 'text' as const, text: 'tell me' }];
    const { turnId } = await ada.turns.send.mutate({ conversationId, parts, speak: true });
    await Promise.all(taps.map((tap) => tap.until('"type":"turn.completed"')));
    const raw = sounds.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [index, transport] of transports.entries()) {
      const found = audioBytes(transport === 'sse' ? 'sse' : 'ws', taps[index]?.body() ?? Buffer.alloc(0));
      expect([transport, turnId, found.raw]).toEqual([transport, turnId, raw]);
      expect(found.wire / raw, `${transport}: ${found.events} events of ${raw} bytes`).toBeLessThanOrEqual(
        bars[transport],
      );
      // What is counted is all of it.
      expect(found.wire).toBeGreaterThan(raw * (transport === 'binary' ? 1 : 4 / 3));
    }
  } finally {
    for (const tap of taps) tap.close();
  }
}

it('is at most 3 in a hundred on /trpc/binary and 36 in JSON', { timeout: 60_000 }, async () => {
  await fc.assert(fc.asyncProperty(fc.array(sound, { minLength: 1, maxLength: 5 }), speak), {
    numRuns: 25,
    endOnFailure: true,
    seed: Number(process.env.SEED ?? Date.now() % 1_000_000),
    examples: [
      [[{ bytes: least, piece: 1_400 }]],
      [[{ bytes: 49_150, piece: 1_000_000 }]],
      [[{ bytes: 53_250, piece: 4_096 }]],
    ],
  });
});
