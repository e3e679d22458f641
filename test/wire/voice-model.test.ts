import { setTimeout as pause } from 'node:timers/promises';
import { textOf } from '@parley/shared/message';
import type { Turn } from '@parley/shared/turn';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { refusal } from '../support/provider.ts';
import { type Recording, recording } from '../support/recording.ts';
import { type Cluster, type Replica, startCluster } from '../support/replica.ts';
import { sharedRedis } from '../support/shared-redis.ts';
import { describe, openSocket, type Socket } from '../support/stock.ts';
import { saying, silence, speech, startVoiceService, type VoiceService } from '../support/voice.ts';

// Property 16 through the wire: whatever becomes of the segments of a recording on their way, it is the same message as if
// they had been sent in order, or a typed error that sending them again heals. Two replicas, each a process that may be killed at
// any moment, two connections to each.
//
// Guards: the session's row lock, the segment's place as a unique key, the comparison of bytes, the state that is looked at
// again before a recording fails, the turn's id as the one that is accepted, the claims that run out with their replica.

let service: VoiceService;
let cluster: Cluster;
/** Those that run, each in its place; a killed one is replaced by another. */
const replicas: Replica[] = [];

beforeAll(async () => {
  service = await startVoiceService();
  const env = { ...service.env, VOICE_MISSING_MS: '200', RATE_USER_PER_SECOND: '0' };
  cluster = await startCluster({ redisUrl: sharedRedis().url, env, model: 'echo' });
  replicas.push(...(await Promise.all([cluster.start(), cluster.start()])));
});
afterAll(async () => {
  await restarting;
  await cluster.stop();
  await service.close();
});

/** To start one takes seconds, so that only some of the stories have one killed. */
const mostKills = 8;
let kills = 0;
let restarting: Promise<void> | undefined;
/** Told of each replica that is gone. */
const onKilled = new Set<(replica: Replica) => void>();

/** Kills a replica and starts another in its place, unless that is going on: one of the two is always there. */
function kill(place: number): void {
  const victim = replicas[place];
  if (!victim || restarting || kills >= mostKills) return;
  kills++;
  const replace = async (): Promise<void> => {
    await victim.kill();
    for (const tell of onKilled) tell(victim);
    replicas[place] = await cluster.start();
  };
  restarting = replace().finally(() => {
    restarting = undefined;
  });
}

/** The replica in this place, or the other one while it is gone. */
function living(place: number): Replica {
  const replica = [replicas[place % 2], replicas[(place + 1) % 2]].find((each) => each?.alive());
  if (!replica) throw new Error('both replicas are gone');
  return replica;
}

type Step =
  | { kind: 'send' | 'conflict' | 'drop' | 'refused'; segment: number; line: number }
  | { kind: 'disconnect'; line: number }
  | { kind: 'kill'; place: number };

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
      { weight: 12, arbitrary: fc.record({ kind, segment, line }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('disconnect' as const), line }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), place: fc.nat(1) }) },
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
        // Other bytes in place of a segment that failed are no conflict: they are the segment. Those that sound alike fail alike.
        const refused = new Set(extras.flatMap((step) => (step.kind === 'refused' ? [segments[step.segment]] : [])));
        extras = extras.filter((step) => step.kind !== 'conflict' || !refused.has(segments[step.segment]));
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
/** Of a recording, which sending it again heals. */
const failures = new Set(['SEGMENTS_MISSING', 'TRANSCRIPTION_FAILED', 'NO_SPEECH']);

async function play({ steps, width, ...told }: Story, from: number): Promise<void> {
  const segments = told.segments.map((number) => (number === undefined ? undefined : from + number));
  const token = await cluster.token('ada');
  const sockets: ({ socket: Socket; replica: Replica } | undefined)[] = [];
  const used: Socket[] = [];
  const on = (number: number): Socket['client'] => {
    let held = sockets[number];
    if (!held) {
      const replica = living(number);
      held = { replica, socket: openSocket(replica.ws, { token }) };
      sockets[number] = held;
      used.push(held.socket);
    }
    return held.socket.client;
  };
  const hangUp = async (number: number): Promise<void> => {
    const held = sockets[number];
    sockets[number] = undefined;
    await held?.socket.close();
  };
  const forget = (replica: Replica): void => {
    for (let number = 0; number < lines; number++) if (sockets[number]?.replica === replica) void hangUp(number);
  };
  onKilled.add(forget);
  const { id: conversationId } = await surely(() => on(0).conversations.create.mutate({}));
  try {
    const take = recording(on(0), conversationId);
    const last = segments.length - 1;
    const soundOf = (index: number): Uint8Array => {
      const number = segments[index];
      return number === undefined ? silence() : speech(number);
    };
    const send = async (step: Extract<Step, { segment: number }>): Promise<void> => {
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
      if (step.kind === 'kill') {
        kill(step.place);
        continue;
      }
      if (step.kind === 'disconnect') {
        await hangUp(step.line);
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
    await heal(segments, take, () => on(0), last, soundOf);
    await judge(segments, take, () => on(0));
  } finally {
    onKilled.delete(forget);
    await Promise.all(used.map((socket) => socket.close()));
  }
}

/** As a client does: again for as long as no answer comes. */
async function surely<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (describe(error).reason !== undefined || tries > 100) throw error;
      await pause(100);
    }
  }
}

/** How a turn has ended that the recording has become or will become. */
async function ended(turnId: string, via: () => Socket['client']): Promise<Turn> {
  for (;;) {
    const turn = await surely(() => via().turns.get.query({ turnId })).catch((error: unknown) => {
      if (describe(error).reason === 'NOT_FOUND') return undefined;
      throw error;
    });
    if (turn && turn.status !== 'queued' && turn.status !== 'running') return turn;
    await pause(20);
  }
}

/** As a client does: sends all again for as long as the recording's turn fails for a reason that this can heal. */
async function heal(
  segments: Segments,
  take: Recording,
  via: () => Socket['client'],
  last: number,
  soundOf: (index: number) => Uint8Array,
): Promise<void> {
  const isSilent = segments.every((number) => number === undefined);
  for (let round = 0; round < 10; round++) {
    let turnId = '';
    for (let index = 0; index <= last; index++) {
      const send = () => take.send(index, { sound: soundOf(index), isLast: index === last, via: via() });
      ({ turnId = '' } = await surely(send));
    }
    const { status, code } = await ended(turnId, via);
    // An answer that broke off with its replica is another matter: what was said is there.
    if (status === 'completed' || code === 'OWNER_LOST') return;
    expect([status, failures.has(code ?? '')], code).toEqual(['failed', true]);
    if (isSilent && code === 'NO_SPEECH') return;
  }
  throw new Error('not healed');
}

async function judge(segments: Segments, take: Recording, via: () => Socket['client']): Promise<void> {
  const { db } = cluster.database;
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
  const { conversationId } = take;
  const { events } = await surely(() => via().conversations.export.query({ conversationId }));
  // A log that could not be reached for a while has begun anew; what is in it once is never there twice.
  expect(events.filter(({ data }) => data.type === 'transcript.final').length).toBeLessThanOrEqual(1);
  for (const row of rows) expect(row).toMatchObject({ user_message_id: message?.id, turn_id: message?.turn_id });
}

it('any interleaving gives what sending in order gives, or an error that sending again heals', {
  timeout: 240_000,
}, async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  const together = fc.tuple(...Array.from({ length: atOnce }, () => stories));
  const property = fc.asyncProperty(together, async (several) => {
    service.forget();
    await Promise.all(several.map((story, index) => play(story, index * voices)));
  });
  await fc.assert(property, { numRuns: 40 / atOnce, seed, endOnFailure: true });
  expect(kills).toBeGreaterThan(0);
});
