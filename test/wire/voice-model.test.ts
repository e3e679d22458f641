import { textOf } from '@parley/shared/message';
import { isTerminal } from '@parley/shared/terminal';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { refusal } from '../support/provider.ts';
import { type Recording, recording } from '../support/recording.ts';
import { describe, openSocket, type Socket } from '../support/stock.ts';
import { saying, silence, speech, startVoiceService, type VoiceService } from '../support/voice.ts';
import { type Watch, watch } from '../support/watch.ts';

// Property 16 through the wire: whatever becomes of the segments of a recording on their way, it is the same message as if
// they had been sent in order, or a typed error that sending them again heals. Two replicas, two connections to each.
//
// Guards: the session's row lock, the segment's place as a unique key, the comparison of bytes, the state that is looked at
// again before a recording fails, the turn's id as the one that is accepted.

let service: VoiceService;
let replicas: App[];

beforeAll(async () => {
  service = await startVoiceService();
  const env = { ...service.env, VOICE_MISSING_MS: '200', RATE_TURNS_PER_MINUTE: '0', RATE_USER_PER_SECOND: '0' };
  const first = await startApp({ env, redis: true });
  replicas = [first, await startApp({ env, redis: true, beside: first })];
});
afterAll(async () => {
  for (const replica of replicas.toReversed()) await replica.stop();
  await service.close();
});

type Step =
  | { kind: 'send' | 'conflict' | 'drop' | 'refused'; segment: number; line: number }
  | { kind: 'disconnect'; line: number };

/** What each segment says; nothing where it is silent. */
type Segments = readonly (number | undefined)[];

interface Story {
  segments: Segments;
  steps: Step[];
  /** How many steps may be under way at once. */
  width: number;
}

/** Recordings that are sent at once, each with what so many numbers of `speech` say to itself. */
const atOnce = 5;
const voices = 20;
const lines = 4;
const line = fc.nat(lines - 1);
const stories: fc.Arbitrary<Story> = fc
  .array(fc.option(fc.nat(voices - 1), { nil: undefined, freq: 6 }), { minLength: 1, maxLength: 5 })
  .chain((segments) => {
    const segment = fc.nat(segments.length - 1);
    const kind = fc.constantFrom('send' as const, 'conflict' as const, 'drop' as const, 'refused' as const);
    const extra = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind, segment, line }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('disconnect' as const), line }) },
    );
    const once = segments.map((_, index) => ({ kind: 'send' as const, segment: index }));
    return fc
      .tuple(
        fc.array(extra, { maxLength: 6 }),
        fc.array(line, { minLength: 5, maxLength: 5 }),
        fc.integer(),
        fc.integer({ min: 1, max: 4 }),
      )
      .map(([all, on, seed, width]) => {
        let extras = all;
        const sends = once.map((step, index) => ({ ...step, line: on[index] ?? 0 }));
        // What is lost on the way is not there in the first place.
        const dropped = new Set(extras.flatMap((step) => (step.kind === 'drop' ? step.segment : [])));
        // Other bytes in place of a segment that failed are no conflict: they are the segment.
        const refused = new Set(extras.flatMap((step) => (step.kind === 'refused' ? step.segment : [])));
        extras = extras.filter((step) => step.kind !== 'conflict' || !refused.has(step.segment));
        const steps = [...sends.filter((step) => !dropped.has(step.segment)), ...extras];
        return { segments, steps: shuffle(steps, seed), width };
      });
  });

function shuffle<T>(list: readonly T[], seed: number): T[] {
  let state = seed >>> 0;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return list
    .map((value) => ({ value, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

const allowed = new Set(['SEGMENT_CONFLICT', 'lost']);
const failures = new Set(['SEGMENTS_MISSING', 'TRANSCRIPTION_FAILED', 'NO_SPEECH']);

async function play({ steps, width, ...told }: Story, from: number): Promise<void> {
  const segments = told.segments.map((number) => (number === undefined ? undefined : from + number));
  const sockets: (Socket | undefined)[] = [];
  const used: Socket[] = [];
  const token = await (replicas[0]?.token('ada') ?? '');
  const on = (number: number): Socket['client'] => {
    let socket = sockets[number];
    if (!socket) {
      socket = openSocket(replicas[number % replicas.length]?.ws ?? '', { token });
      sockets[number] = socket;
      used.push(socket);
    }
    return socket.client;
  };
  const { id: conversationId } = await on(0).conversations.create.mutate({});
  const watching = openSocket(replicas[1]?.ws ?? '', { token });
  const watched = watch(watching.client, { conversationId });
  await watched.started;
  try {
    const take = recording(on(0), conversationId);
    const last = segments.length - 1;
    const soundOf = (index: number): Uint8Array => {
      const number = segments[index];
      return number === undefined ? silence() : speech(number);
    };
    const send = async (step: Exclude<Step, { kind: 'disconnect' }>): Promise<void> => {
      const { segment: index, line: number, kind } = step;
      const said = segments[index];
      if (kind === 'refused' && said !== undefined) service.hear(said, refusal(401));
      const sound = kind === 'conflict' ? speech(110) : soundOf(index);
      // Other bytes are sent of what has come already: first they would be the recording.
      if (kind === 'conflict')
        await take.send(index, { sound: soundOf(index), isLast: index === last, via: on(number) });
      await take.send(index, { sound, isLast: index === last, via: on(number) });
    };
    const answers: string[] = [];
    const under = new Set<Promise<void>>();
    for (const step of steps) {
      if (step.kind === 'drop') continue;
      if (step.kind === 'disconnect') {
        const socket = sockets[step.line];
        sockets[step.line] = undefined;
        await socket?.close();
        continue;
      }
      const sent = send(step)
        .catch((error: unknown) => void answers.push(describe(error).reason ?? 'lost'))
        .finally(() => under.delete(sent));
      under.add(sent);
      if (under.size >= width) await Promise.race(under);
    }
    await Promise.all(under);
    for (const answer of answers) expect(allowed).toContain(answer);
    await heal(segments, take, watched, on(0), last, soundOf);
    await judge(segments, take, watched);
  } finally {
    watched.stop();
    await Promise.all([watching, ...used].map((socket) => socket.close()));
  }
}

/** As a client does: sends all again for as long as the recording's turn fails for a reason that this can heal. */
async function heal(
  segments: Segments,
  take: Recording,
  watched: Watch,
  via: Socket['client'],
  last: number,
  soundOf: (index: number) => Uint8Array,
): Promise<void> {
  const isSilent = segments.every((number) => number === undefined);
  for (let round = 0; round < 10; round++) {
    let turnId = '';
    for (let index = 0; index <= last; index++)
      ({ turnId = '' } = await take.send(index, { sound: soundOf(index), isLast: index === last, via }));
    const { data: end } = await watched.find((event) => isTerminal(event) && event.turnId === turnId);
    if (end.type === 'turn.completed') return;
    if (end.type !== 'turn.failed') throw new Error(end.type);
    expect(failures).toContain(end.code);
    if (isSilent && end.code === 'NO_SPEECH') return;
  }
  throw new Error('not healed');
}

async function judge(segments: Segments, take: Recording, watched: Watch): Promise<void> {
  const db = replicas[0]?.database.db;
  if (!db) throw new Error('no database');
  const messages = await db
    .selectFrom('messages')
    .selectAll()
    .where('conversation_id', '=', take.conversationId)
    .where('role', '=', 'human')
    .execute();
  const rows = await db
    .selectFrom('segments')
    .selectAll()
    .where('conversation_id', '=', take.conversationId)
    .orderBy('index')
    .execute();
  expect(rows.map(({ index }) => index)).toEqual(segments.map((_, index) => index));
  const text = segments.flatMap((number) => (number === undefined ? [] : saying(number))).join(' ');
  if (text === '') return expect(messages).toEqual([]);
  expect(messages).toHaveLength(1);
  const [message] = messages;
  expect(textOf(message?.parts ?? [])).toBe(text);
  expect(message).toMatchObject({ voice_session_id: take.voiceSessionId, duration_ms: segments.length * 300 });
  expect(message?.segment_ids).toEqual(rows.map(({ id }) => id));
  expect(watched.all('transcript.final')).toHaveLength(1);
  for (const row of rows) expect(row).toMatchObject({ user_message_id: message?.id, turn_id: message?.turn_id });
}

it('any interleaving gives what sending in order gives, or an error that sending again heals', {
  timeout: 120_000,
}, async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  const together = fc.tuple(...Array.from({ length: atOnce }, () => stories));
  const property = fc.asyncProperty(together, async (several) => {
    service.forget();
    await Promise.all(several.map((story, index) => play(story, index * voices)));
  });
  await fc.assert(property, { numRuns: 100 / atOnce, seed, endOnFailure: true });
});
