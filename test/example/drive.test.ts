import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { newId } from '@parley/shared/id';
import { startDrive } from '@parley/test/drive';
import { NotSeen } from '@parley/test/drive/seen';
import { answer, gate } from '@parley/test/support/provider';
import { expect, test, vi } from 'vitest';

// Each starts a PostgreSQL and a server in a process of its own, as a tester's program would.
vi.setConfig({ testTimeout: 120_000 });

test.each([
  ['drive-text.ts', 'a turn in text'],
  ['drive-cut.ts', 'a cut connection'],
  ['drive-voice.ts', 'segments in any order'],
])('%s runs without a test runner, and leaves nothing behind', async (name, what) => {
  const child = spawn(process.execPath, [fileURLToPath(new URL(name, import.meta.url))], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect([code, output]).toEqual([0, `ok: ${what}\n`]);
});

test('what does not come is told with all that came', async () => {
  await using drive = await startDrive();
  const ann = await drive.user('ann', { transport: 'http' });
  const conversation = await ann.conversation();
  const events = await ann.follow(conversation.id);
  const hold = gate();
  drive.model.script(answer('Half of it', hold));
  const turn = conversation.send('hello');
  await events.first('agent.delta', { turnId: turn.id });
  const waited = events.first('tool.call', { turnId: turn.id, within: 200 });
  const failure = await waited.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(NotSeen);
  expect(String(failure)).toMatch(
    /^NotSeen: tool\.call of turn …\w{4} did not come: not within 0\.2 s\. What came:\n.* turn\.started +text\n.* message\.saved +human, complete: "hello"\n.* agent\.delta +"Half of it"$/,
  );
  // When following ends, nobody waits any longer.
  const ending = events.end(turn.id).catch((error: unknown) => error);
  await ann.trpc.conversations.delete.mutate({ conversationId: conversation.id });
  expect(String(await ending)).toContain('did not come: following has ended.');
  await expect(ann.follow(newId())).rejects.toMatchObject({ reason: 'NOT_FOUND' });
});

test('drives of one process share nothing but their PostgreSQL, and stop as often as they are told', async () => {
  const [one, two] = await Promise.all([startDrive(), startDrive({ model: 'local', env: { RATE_USER_BURST: '7' } })]);
  try {
    const [ann, eve] = [await one.user('ann'), await two.user('eve')];
    const conversation = await ann.conversation();
    await conversation.send('hello').done;
    expect(one.model.requests).toHaveLength(1);
    expect(two.model.requests).toHaveLength(0);
    expect(await one.metrics()).toContain('parley_turns_total{status="completed",code=""} 1\n');
    expect((await two.user('ann', { tenant: 'other', admin: true })).token).not.toBe(ann.token);
    await expect(eve.trpc.conversations.get.query({ conversationId: conversation.id })).rejects.toThrow();
    // A token of one opens no door of another.
    const stranger = await fetch(`${two.url}/trpc/account.me`, { headers: { authorization: `Bearer ${ann.token}` } });
    expect(stranger.status).toBe(401);
  } finally {
    await Promise.all([one.stop(), one.stop(), two.stop()]);
  }
  await expect(fetch(one.url)).rejects.toThrow();
});
