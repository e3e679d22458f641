import assert from 'node:assert/strict';
import { brokenRules } from '@parley/client/cli/replay-rules';
import { startDrive } from '@parley/test/drive';
import { answer, gate } from '@parley/test/support/provider';

// A connection that is cut in the middle of an answer: the client comes back by itself, and has each event exactly once.

await using drive = await startDrive();
const proxy = await drive.proxy();
const ann = await drive.user('ann', { through: proxy });
const bob = await drive.user('ann'); // the same person, on a second device that is not cut
const conversation = await ann.conversation();
const [events, witness] = [await ann.follow(conversation.id), await bob.follow(conversation.id)];

const [first, second] = [gate(), gate()];
drive.model.script(answer('One. ', first, 'Two. ', second, 'Three.'));
const turn = conversation.send('count');
await events.first('agent.delta', { turnId: turn.id });

// Cut, and away for long enough to miss something.
proxy.refuses = true;
proxy.cut();
first.release();
await witness.find('the second word', () => witness.text(turn.id) === 'One. Two. ');
assert.equal(events.text(turn.id), 'One. ');

// Back: what was missed comes, then what comes next.
proxy.refuses = false;
await events.find('the second word', () => events.text(turn.id) === 'One. Two. ');
second.release();
await Promise.all([events.end(turn.id), witness.end(turn.id)]);

assert.deepEqual(events.seen, witness.seen);
assert.deepEqual(brokenRules(events.of(turn.id)), []);
assert.ok(proxy.accepted >= 2);
console.log('ok: a cut connection');
