import { setTimeout as pause } from 'node:timers/promises';
import { textOf } from '@parley/shared/message';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { gate } from '../support/provider.ts';
import { recording } from '../support/recording.ts';
import { type Cluster, type Replica, startCluster } from '../support/replica.ts';
import { sharedRedis } from '../support/shared-redis.ts';
import { openSocket, type Socket } from '../support/stock.ts';
import { saying, startVoiceService, type VoiceService } from '../support/voice.ts';
import { watch } from '../support/watch.ts';

// Properties 1 and 16: a replica that is killed between storing a segment and knowing what it says.
//
// Guards: the claim on a stored segment, which another replica takes when it is not renewed; the sound beside the segment.

let service: VoiceService;
let cluster: Cluster;
let survivor: Replica;
const sockets: Socket[] = [];

beforeAll(async () => {
  service = await startVoiceService();
  cluster = await startCluster({ redisUrl: sharedRedis().url, env: service.env, model: 'echo' });
  survivor = await cluster.start();
});
afterAll(async () => {
  await Promise.all(sockets.map((socket) => socket.close()));
  await cluster.stop();
  await service.close();
});

async function connect(replica: Replica): Promise<Socket['client']> {
  const socket = openSocket(replica.ws, { token: await cluster.token('ada') });
  sockets.push(socket);
  return socket.client;
}

it.each([
  ['the last', [0, 1, 2]],
  ['one in the middle', [0, 2, 1]],
])('killed while it transcribes %s, another replica finishes', { timeout: 60_000 }, async (_, order) => {
  const victim = await cluster.start();
  const [there, here] = await Promise.all([connect(victim), connect(survivor)]);
  const { id: conversationId } = await here.conversations.create.mutate({});
  const watched = watch(here, { conversationId });
  await watched.started;
  const take = recording(there, conversationId);
  const [first = 0, second = 0, stuck = 0] = order;
  const asked = service.heard(stuck).length;
  service.hear(stuck, { steps: [gate()] });
  await take.send(first, { via: here, isLast: first === 2 });
  await take.send(second, { isLast: second === 2 });
  const { turnId = '', missing } = await take.send(stuck, { isLast: stuck === 2 });
  expect(missing).toEqual([]);
  while (service.heard(stuck).length === asked) await pause(5);
  await victim.kill();

  expect((await watched.end(turnId)).type).toBe('turn.completed');
  const { items } = await here.conversations.messages.query({ conversationId });
  const [human, agent] = items;
  expect(items.map(({ role }) => role)).toEqual(['human', 'agent']);
  expect(textOf(human?.parts ?? [])).toBe([0, 1, 2].map(saying).join(' '));
  expect(human).toMatchObject({ kind: 'audio', voiceSessionId: take.voiceSessionId, durationMs: 900 });
  const rows = await cluster.database.db
    .selectFrom('segments')
    .selectAll()
    .where('voice_session_id', '=', take.voiceSessionId)
    .orderBy('index')
    .execute();
  expect(human?.segmentIds).toEqual(rows.map(({ id }) => id));
  for (const row of rows)
    expect(row).toMatchObject({ turn_id: turnId, user_message_id: human?.id, agent_message_id: agent?.id });
  expect(await take.send(stuck, { via: here })).toMatchObject({ status: 'duplicate', missing: [], turnId });
});
