import { createParley } from '@parley/client/connect';

const { PARLEY_URL: url = 'http://127.0.0.1:4000', PARLEY_TOKEN: token = '' } = process.env;
const parley = createParley({ url, token });
const conversation = await parley.conversations.create({ title: 'Ten lines' });
const turn = conversation.send('I grew up by the sea.');
for await (const delta of turn.deltas()) process.stdout.write(delta);
const { type } = await turn.done; // turn.completed, turn.interrupted or turn.failed
console.log(`\n${type} in conversation ${conversation.id}`);
await parley.close();
