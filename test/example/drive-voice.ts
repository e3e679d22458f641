import assert from 'node:assert/strict';
import { startDrive } from '@parley/test/drive';
import { answer } from '@parley/test/support/provider';
import { recording } from '@parley/test/support/recording';
import { saying, speech } from '@parley/test/support/voice';

// A recording in segments that arrive in the wrong order and twice, over two connections: it is one message all the same.

await using drive = await startDrive();
const [phone, watch] = [await drive.user('ann'), await drive.user('ann', { transport: 'http' })];
const conversation = await phone.conversation();
const events = await phone.follow(conversation.id);
drive.model.script(answer('I heard ', 'all of it.'));

// `speech(n)` is a sound that the scripted service understands as `Piece n.`
const order = [3, 0, 2, 0, 3, 1, 2];
const said = recording(phone.trpc, conversation.id);
for (const [place, index] of order.entries()) {
  const via = place % 2 === 0 ? phone.trpc : watch.trpc;
  const receipt = await said.send(index, { via, isLast: index === 3, sound: speech(index) });
  assert.equal(receipt.status, order.indexOf(index) === place ? 'accepted' : 'duplicate');
}

const started = await events.first('turn.started');
const { text, voiceSessionId } = await events.first('transcript.final', { turnId: started.turnId });
assert.equal(voiceSessionId, said.voiceSessionId);
assert.equal(text, [0, 1, 2, 3].map(saying).join(' '));

// The answer is spoken, a sentence at a time; each segment was transcribed once.
const end = await events.end(started.turnId);
assert.equal(end.type, 'turn.completed');
const sounds = events.all('agent.audio', started.turnId);
assert.ok(sounds.every(({ format }) => format === 'pcm_s16le') && sounds.at(-1)?.last);
for (const index of [0, 1, 2, 3]) assert.equal(drive.speech.heard(index).length, 1);
const { items } = await phone.trpc.conversations.messages.query({ conversationId: conversation.id });
assert.deepEqual(
  items.map(({ role, kind }) => `${role} ${kind}`),
  ['human audio', 'agent text'],
);
console.log('ok: segments in any order');
