import assert from 'node:assert/strict';
import { startDrive } from '@parley/test/drive';
import { answer, gate } from '@parley/test/support/provider';

// A turn in text: what the model says comes as it says it, and is stored when it has.

await using drive = await startDrive();
const ann = await drive.user('ann');
const conversation = await ann.conversation({ title: 'The sea' });
const events = await ann.follow(conversation.id);

// The model's answer, in these pieces; the second one waits until the test lets it go.
const second = gate();
drive.model.script(answer('The sea! ', second, 'Which one?'));

const turn = conversation.send('I grew up by the sea.');
await events.first('agent.delta', { turnId: turn.id });
assert.equal(events.text(turn.id), 'The sea! ');
assert.equal(events.all('turn.completed').length, 0);

second.release();
const end = await events.end(turn.id);
assert.equal(end.type, 'turn.completed');
assert.equal(events.text(turn.id), 'The sea! Which one?');

// What was stored, and what the model was asked.
const { items } = await ann.trpc.conversations.messages.query({ conversationId: conversation.id });
assert.deepEqual(
  items.map(({ role, status }) => `${role} ${status}`),
  ['human complete', 'agent complete'],
);
assert.equal(drive.model.requests.length, 1);
assert.equal(drive.model.requests[0]?.body.messages.at(-1)?.content, 'I grew up by the sea.');
console.log('ok: a turn in text');
