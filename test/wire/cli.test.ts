import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { newId } from '@parley/shared/id';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type App, jwtSecret, startApp } from '../support/app.ts';
import { cli, result, terminal } from '../support/cli.ts';
import { parleyOf } from '../support/parley.ts';
import { answer, done, gate, stream, text } from '../support/provider.ts';
import { startProxy } from '../support/proxy.ts';

let app: App;
let env: Record<string, string>;
beforeAll(async () => {
  app = await startApp();
  env = { PARLEY_URL: app.url, PARLEY_TOKEN: await app.token('ann') };
});
afterAll(async () => {
  await app?.stop();
});

const hasTerminal = spawnSync('script', ['--version']).status === 0;

async function newest(): Promise<string> {
  const { stdout } = await result(cli(['list', '--limit', '1', '--json'], { env }));
  const conversation: unknown = JSON.parse(stdout);
  if (typeof conversation !== 'object' || conversation === null || !('id' in conversation)) throw new Error(stdout);
  return String(conversation.id);
}

describe('chat', () => {
  test('from a pipe prints the answers and nothing else, a turn a line', async () => {
    const run = await result(cli(['chat'], { env, input: 'hello\n\n  \n你好' }));
    const said = 'You said: hello. 1 2 3\nYou said: 你好. 1 2 3\n';
    expect(run).toEqual({ code: 0, stdout: said, stderr: '' });
  });

  test.each([
    ['websocket', ''],
    ['http', ''],
    ['http', '--experimental-eventsource --no-warnings'],
  ])('speaks over %s too %s', async (transport, flag) => {
    const run = await result(
      cli(['chat', '--transport', transport], { env: { ...env, NODE_OPTIONS: flag }, input: 'hello' }),
    );
    expect(run).toEqual({ code: 0, stdout: 'You said: hello. 1 2 3\n', stderr: '' });
  });

  test('goes on with a conversation by its id, or with the newest', async () => {
    await cli(['chat'], { env, input: 'first' }).ended;
    const id = await newest();
    await cli(['chat', '--conversation', id], { env, input: 'second' }).ended;
    await cli(['chat', '--continue', '--speak', 'no'], { env, input: 'third' }).ended;
    const { code, stdout } = await result(cli(['export', id], { env }));
    const said: unknown = JSON.parse(stdout).messages.map(
      (message: { parts: { text: string }[] }) => message.parts[0]?.text,
    );
    expect(said).toEqual(
      ['first', 'second', 'third'].flatMap((text) => [text, expect.stringContaining(`You said: ${text}.`)]),
    );
    expect(code).toBe(0);
  });

  test('is interrupted by SIGINT, and then goes on', async () => {
    app.provider.script(answer('Once upon a time', gate(), ' never said'));
    const run = cli(['chat'], { env });
    run.say('a story');
    await run.shows('Once upon a time');
    run.child.kill('SIGINT');
    await run.shows('⏹ interrupted', 'stderr');
    run.say('still there?');
    await run.shows('You said: still there?. 1 2 3\n');
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(0);
    expect(run.stdout).not.toContain('never said');
  });

  test('says what failed, and that it did', async () => {
    app.provider.script(stream(text('Half an'), done), answer('Whole.'));
    const half = await result(cli(['chat'], { env, input: 'one\ntwo' }));
    expect(half).toMatchObject({ code: 1, stdout: 'Half an\nWhole.\n' });
    expect(half.stderr).toMatch(/^⚠ .*\(MODEL_INCOMPLETE\)\n$/);
    const run = await result(cli(['chat', '--conversation', newId()], { env, input: 'hello' }));
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toMatch(/^parley: .*\(NOT_FOUND, trace \w{32}\)\n$/);
  });

  test('as JSON prints every event of the turns', async () => {
    const { stdout } = await result(cli(['chat', '--json'], { env, input: 'hello' }));
    const types = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).type);
    expect([types[0], types.at(-1)]).toEqual(['turn.started', 'turn.completed']);
  });

  test.skipIf(!hasTerminal)(
    'on a terminal greets, prompts, is interrupted by Ctrl-C and says how to go on',
    async () => {
      const hold = gate();
      app.provider.script(answer('Welcome, ann.'), answer('Once upon', hold, ' never said'));
      const run = terminal(['chat'], { env });
      await run.shows(/conversation [0-9a-f-]{36}/);
      await run.shows('agent > Welcome, ann.');
      await run.shows(/Welcome, ann\.[\s\S]*you > /);
      run.say('a story');
      await run.shows('agent > Once upon');
      run.child.stdin.write('\x03');
      await run.shows('⏹ interrupted');
      await run.shows(/interrupted[\s\S]*you > /);
      run.child.stdin.write('\x03');
      expect(await run.ended).toBe(0);
      expect(run.stdout).toMatch(/to go on: npm run parley -- chat --conversation [0-9a-f-]{36}/);

      const [, id = ''] = /--conversation ([0-9a-f-]{36})/.exec(run.stdout) ?? [];
      const again = terminal(['chat', '--conversation', id], { env });
      await again.shows(/you > a story[\s\S]*agent > Once upon[\s\S]*you > /);
      again.child.stdin.write('\x04');
      expect(await again.ended).toBe(0);
      expect(again.stdout).not.toContain('agent > Welcome, ann.\r\nagent > ');
    },
  );
});

describe('watch', () => {
  test('follows a conversation while another process talks in it, over lost connections', async () => {
    const proxy = await startProxy(app.url);
    try {
      const conversation = await (await parleyOf(app, 'ann')).conversations.create();
      const watching = cli(['watch', conversation.id], { env: { ...env, PARLEY_URL: proxy.url } });
      await watching.shows(`watching ${conversation.id}`, 'stderr');
      const [first, second] = [gate(), gate()];
      app.provider.script(answer('One. ', first, 'Two. ', second, 'Three.'));
      const talking = cli(['chat', '--conversation', conversation.id], { env, input: 'count' });
      await watching.shows('you    count');
      await watching.shows('agent  One. ');
      proxy.cut();
      first.release();
      await watching.shows('One. Two. ');
      second.release();
      expect(await talking.ended).toBe(0);
      await watching.shows('One. Two. Three.\n');
      await watching.shows('the server is back', 'stderr');
      expect(watching.stdout).toBe('you    count\nagent  One. Two. Three.\n');
      watching.child.kill('SIGINT');
      expect(await watching.ended).toBe(0);
    } finally {
      await proxy.close();
    }
  });

  test('as JSON prints every event with its id, from where one likes', async () => {
    const parley = await parleyOf(app, 'ann');
    const conversation = await parley.conversations.create();
    const { lastEventId, greeting } = await conversation.open();
    await greeting?.done;
    const watching = cli(['watch', conversation.id, '--json', '--from', lastEventId], { env });
    await watching.shows('turn.completed');
    await parley.trpc.conversations.delete.mutate({ conversationId: conversation.id });
    expect(await watching.ended).toBe(0);
    const seen = watching.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(seen.map(({ id }) => id)).toEqual(seen.map(({ id }) => id).toSorted());
    expect([seen[0].data.type, seen.at(-1).data.type]).toEqual(['turn.started', 'conversation.deleted']);
  });
});

describe('token', () => {
  test('is made with the secret that is set, and opens the door', async () => {
    const { code, stdout } = await result(
      cli(['token', '--user', 'tom', '--tenant', 'acme', '--admin', '--lifetime', '60'], {
        env: { AUTH_JWT_SECRET: jwtSecret },
      }),
    );
    expect(code).toBe(0);
    const { sub, tenant, roles, iat = 0, exp = 0 } = decodeJwt(stdout.trim());
    expect({ sub, tenant, roles, lifetime: exp - iat }).toEqual({
      sub: 'tom',
      tenant: 'acme',
      roles: ['admin'],
      lifetime: 60,
    });
    const run = await result(cli(['list', '--token', stdout.trim()], { env: { PARLEY_URL: app.url } }));
    expect(run).toEqual({ code: 0, stdout: '', stderr: 'no conversations yet: npm run parley -- chat\n' });
  });

  test('without one, is made with the secret that the embedded mode keeps', async () => {
    const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-cli-'));
    try {
      const { code, stdout } = await result(cli(['token', '--user', 'tom'], { env: { DATA_DIR: dataDir } }));
      expect(code).toBe(0);
      expect(decodeJwt(stdout.trim())).toMatchObject({ sub: 'tom', tenant: 'default', type: 'access' });
      expect(fs.statSync(path.join(dataDir, 'jwt-secret')).mode & 0o077).toBe(0);
    } finally {
      fs.rmSync(dataDir, { recursive: true });
    }
  });

  test('is made for whoever has the secret, without being asked for', async () => {
    const own = { PARLEY_URL: app.url, AUTH_JWT_SECRET: jwtSecret };
    const run = await result(cli(['chat', '--user', 'una'], { env: own, input: 'hello' }));
    expect(run).toEqual({ code: 0, stdout: 'You said: hello. 1 2 3\n', stderr: '' });
    const listed = await result(cli(['list', '--user', 'una'], { env: own }));
    expect(listed.stdout.split('\n')).toHaveLength(2);
  });
});

test('one line says that no server is there, or that somebody else is', async () => {
  const proxy = await startProxy(app.url);
  await proxy.close();
  const gone = await result(cli(['chat', '--url', proxy.url], { env, input: 'hello' }));
  expect(gone).toEqual({ code: 1, stdout: '', stderr: `parley: no server at ${proxy.url} (npm start)\n` });
  const other = await result(cli(['list', '--url', app.provider.url], { env }));
  expect(other.stderr).toBe(`parley: no server at ${app.provider.url} (npm start)\n`);
});

test('a token that is not good is said in one line, and not shown', async () => {
  const run = await result(cli(['list', '--token', 'nonsense'], { env }));
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(/^parley: .*\(UNAUTHENTICATED, trace \w{32}\)\n$/);
});

test('a credential that lands among the wrong words is not shown', async () => {
  const token = await app.token('ann');
  const wrong: [string[], number][] = [
    [['list', token], 2],
    [['list', `--${token}`], 2],
    [[token], 2],
    [['list', '--url', token], 2],
    [['list', '--url', `http://ann:${token}@127.0.0.1:1`], 1],
    [['say', `${token}.pk_abc_otherOwnKey`], 2],
  ];
  for (const [args, code] of wrong) {
    const run = await result(cli(args, { env: { PARLEY_TOKEN: 'pk_id_veryOwnKey' } }));
    expect([args, run.code]).toEqual([args, code]);
    expect(run.stdout + run.stderr).not.toContain(token.slice(0, 60));
    expect(run.stdout + run.stderr).not.toContain(token.split('.')[2]);
    expect(run.stdout + run.stderr).not.toContain('OwnKey');
  }
});

test('words that make no sense are usage errors, and say why', async () => {
  const wrong: [string[], string][] = [
    [[], 'usage: npm run parley'],
    [['sing'], "unknown command 'sing'"],
    [['chat', '--nonsense'], "Unknown option '--nonsense'"],
    [['chat', 'hello'], "unexpected 'hello'"],
    [['chat', '--speak', 'maybe'], '--speak is yes or no'],
    [['chat', '--continue', '--conversation', 'x'], 'exclude each other'],
    [['chat', '--transport', 'pigeon'], '--transport is'],
    [['chat', '--url', 'ftp://nowhere'], 'no http or https URL'],
    [['watch'], 'CONVERSATION is missing'],
    [['list', '--limit', '0'], '--limit is a number from 1 to 100'],
    [['token'], '--user is missing'],
    [['replay'], 'FILE is missing'],
    [['replay', 'a.json', '--timeout', '0'], '--timeout is a whole number from 1 to 3600'],
    [['load', '--users', '2001'], '--users is a whole number from 1 to 2000'],
    [['load', '--rate', 'much'], '--rate is turns a second, or max'],
    [['load', '--segments', '2'], '--segments needs --voice'],
    [['listen', '--pause', '1'], '--pause is a whole number from 100 to 10000'],
    [['listen', '--fast', '--no-barge-in'], '--fast has no barge-in'],
  ];
  await Promise.all(
    wrong.map(async ([args, message]) => {
      const run = await result(cli(args));
      expect([args, run.code, run.stdout]).toEqual([args, 2, '']);
      expect(run.stderr).toContain(message);
      expect(run.stderr).toContain('usage: ');
    }),
  );
});

test('every command says how it is used', async () => {
  const names = ['chat', 'say', 'listen', 'watch', 'list', 'export', 'replay', 'load', 'upload', 'token'];
  const runs = await Promise.all([[], ...names.map((name) => [name])].map((name) => result(cli([...name, '--help']))));
  for (const [i, run] of runs.entries()) {
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toContain(`usage: npm run parley -- ${names[i - 1] ?? '<command>'}`);
    expect(run.stdout).toMatch(/^exit codes: 0 .*; 1 .*; 2 the words make no sense$/m);
  }
});
