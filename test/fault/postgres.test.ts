import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectDatabase } from '@parley/db/connect';
import { failureReason } from '@parley/db/failure';
import { listen } from '@parley/db/listen';
import { notify } from '@parley/db/notify';
import { isTerminal } from '@parley/shared/terminal';
import { describe, expect, inject, it } from 'vitest';
import { createDatabase, makeTemplate, newDataFolder, startPostgres } from '../support/postgres.ts';
import { answer, gate } from '../support/provider.ts';
import { type FaultyProxy, startProxy } from '../support/proxy.ts';
import { type Crew, startCrew } from './crew.ts';

// Property 9. Guards: what is committed is committed before it is acknowledged; `settle` tries again and finds its own
// commit by the message's id; a send that failed in between is found by the turn's id.

/** The run's PostgreSQL listens on a socket in the file system; this is a port for it. */
async function onPort(): Promise<{ server: Server; port: number }> {
  const { host, port } = inject('postgres');
  const server = createServer((client) => {
    const upstream = connect(`${host}/.s.PGSQL.${port ?? 5432}`);
    for (const socket of [client, upstream])
      socket
        .on('error', () => undefined)
        .on('close', () => {
          client.destroy();
          upstream.destroy();
        });
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { server, port: address.port };
}

describe('PostgreSQL that falls silent for longer than an answer is waited for', () => {
  // Guard: `endWhenSilent`. Without it the `begin` is run once the server is back, and the write behind it is in its transaction.
  it('leaves no transaction behind for whoever gets the connection next', async () => {
    const { server, port } = await onPort();
    const proxy = await startProxy(port);
    const database = await createDatabase(inject('postgres'));
    const url = `postgresql://${inject('postgres').user}@127.0.0.1:${proxy.port}${new URL(database.url).pathname}`;
    const db = connectDatabase(url, { poolSize: 2, acquireMs: 20_000, answerMs: 1_500 });
    const add = (id: string) => db.insertInto('tenants').values({ id }).execute();
    try {
      await Promise.all(['a', 'b'].map(add));
      proxy.stall();
      // A statement with parameters goes another way through the driver than one without.
      const silent = [
        db.transaction().execute((trx) => trx.insertInto('tenants').values({ id: 'never' }).execute()),
        add('unclear'),
      ];
      const behind = ['c', 'd'].map(add);
      const failures = await Promise.all(silent.map((one) => one.catch(failureReason)));
      expect(failures).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
      proxy.resume();
      await Promise.all(behind);
      // What is acknowledged is committed: others see it.
      const stored = await database.db.selectFrom('tenants').select('id').where('id', '!=', 'unclear').execute();
      expect(stored.map(({ id }) => id).sort()).toEqual(['a', 'b', 'c', 'd']);
      expect(proxy.accepted).toBe(4);
    } finally {
      await db.destroy();
      await proxy.close();
      server.close();
      await database.drop();
    }
  });
});

describe('a listener whose PostgreSQL falls silent while it opens its connection again', () => {
  // Guard: `openMs`. Without it the first try would be the last.
  it('tries again, and listens', async () => {
    const { server, port } = await onPort();
    const proxy = await startProxy(port);
    const database = await createDatabase(inject('postgres'));
    const url = `postgresql://${inject('postgres').user}@127.0.0.1:${proxy.port}${new URL(database.url).pathname}`;
    const resumed = Promise.withResolvers<void>();
    const heard = Promise.withResolvers<string>();
    const failures: string[] = [];
    const listener = await listen(url, {
      channel: 'silence',
      onNotify: heard.resolve,
      onResumed: resumed.resolve,
      onError: ({ message }) => void failures.push(message),
      openMs: 1_500,
    });
    try {
      proxy.stall('down');
      proxy.cut();
      await expect.poll(() => failures).toContainEqual(expect.stringMatching(/timeout/));
      proxy.resume();
      await resumed.promise;
      await notify(database.db, 'silence', 'hello');
      expect(await heard.promise).toBe('hello');
    } finally {
      await listener.close();
      await proxy.close();
      server.close();
      await database.drop();
    }
  });
});

describe('PostgreSQL restarted at once, in mid-answer and under load', () => {
  it('has all that was acknowledged; what was refused says that it may be tried again', {
    timeout: 120_000,
  }, async () => {
    const dataDir = newDataFolder();
    let postgres = await startPostgres(dataDir);
    await makeTemplate(postgres.connection);
    const database = await createDatabase(postgres.connection);
    // The servers of tests are not durable by themselves.
    const databaseUrl = `${database.url}&options=${encodeURIComponent('-c synchronous_commit=on')}`;
    const crew = await startCrew({ database, databaseUrl, model: 'echo:10:10', leaseMs: 10_000 });
    try {
      const replica = await crew.start();
      const conversations = await Promise.all(Array.from({ length: 4 }, () => crew.conversation(replica)));
      const watchers = await Promise.all(conversations.map((id) => crew.watch(id, [replica])));
      let loaded = true;
      const answers = new Set<string>();
      const load = conversations.map(async (id, i) => {
        for (let n = 0; loaded || n < 3; n++) {
          const message = crew.message(id, `load ${n}`, { onBusy: 'queue' });
          for (let tries = 0; !message.acknowledged; tries++) {
            answers.add(await message.attempt(replica));
            expect(tries).toBeLessThan(400);
            if (!message.acknowledged) await pause(25);
          }
          await watchers[i]?.end(message.turnId);
        }
      });
      await Promise.all(watchers.map((watcher) => watcher.find(({ type }) => type === 'agent.delta')));
      process.kill(postgres.pid, 'SIGQUIT');
      await postgres.exited;
      await postgres.stop();
      await pause(300);
      postgres = await startPostgres(dataDir);
      loaded = false;
      await Promise.all(load);
      expect([...answers].filter((one) => !['new', 'duplicate', 'UNAVAILABLE', 'lost'].includes(one))).toEqual([]);
      await crew.judge();
      // Those that had begun to answer went on where they were.
      const ends = watchers.map(({ events }) => events.find(({ data }) => isTerminal(data))?.data.type);
      expect(ends).toEqual(ends.map(() => 'turn.completed'));
    } finally {
      await crew.stop();
      await postgres.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});

describe('a commit whose answer is lost', () => {
  async function withProxy(leaseMs: number, test: (crew: Crew, proxy: FaultyProxy) => Promise<void>): Promise<void> {
    const { server, port } = await onPort();
    const proxy = await startProxy(port);
    const { user } = inject('postgres');
    const database = await createDatabase(inject('postgres'));
    const name = new URL(database.url).pathname;
    const databaseUrl = `postgresql://${user}@127.0.0.1:${proxy.port}${name}`;
    const crew = await startCrew({ database, databaseUrl, leaseMs });
    try {
      await test(crew, proxy);
    } finally {
      await crew.stop();
      await proxy.close();
      server.close();
    }
  }

  it('is found by the id when the message is sent again', { timeout: 60_000 }, () =>
    withProxy(1_000, async (crew, proxy) => {
      const replica = await crew.start();
      const conversationId = await crew.conversation(replica);
      const watcher = await crew.watch(conversationId, [replica]);
      const message = crew.message(conversationId);
      const { struck } = await replica.fault({ step: 'accept.commit', signal: 'SIGSTOP', id: message.turnId });
      const first = message.attempt(replica);
      await struck;
      proxy.stall('down');
      replica.signal('SIGCONT');
      const { db } = crew.database;
      await expect.poll(() => db.selectFrom('turns').select('id').execute(), { timeout: 20_000 }).toHaveLength(1);
      proxy.cut();
      proxy.resume();
      expect(await first).toBe('UNAVAILABLE');
      expect(await message.attempt(replica)).toBe('duplicate');
      await watcher.end(message.turnId);
      await crew.judge();
    }),
  );

  it('is found by the message of the turn that it ended', { timeout: 60_000 }, () =>
    // With a lease that nobody outlives: what its owner does not find, nobody finds in time.
    withProxy(600_000, async (crew, proxy) => {
      const replica = await crew.start();
      const conversationId = await crew.conversation(replica);
      const watcher = await crew.watch(conversationId, [replica]);
      const hold = gate();
      crew.provider.script(answer('One ', hold, 'answer.'));
      const message = crew.message(conversationId);
      await message.to(replica);
      const next = crew.message(conversationId, 'behind it', { onBusy: 'queue' });
      await next.to(replica);
      const { struck } = await replica.fault({ step: 'settle.commit', signal: 'SIGSTOP', id: message.turnId });
      hold.release();
      await struck;
      proxy.stall('down');
      replica.signal('SIGCONT');
      const ended = crew.database.db.selectFrom('turns').select('id').where('status', '=', 'completed');
      await expect.poll(() => ended.execute(), { timeout: 20_000 }).toHaveLength(1);
      proxy.cut();
      proxy.resume();
      expect((await watcher.end(message.turnId)).type).toBe('turn.completed');
      expect((await watcher.end(next.turnId)).type).toBe('turn.completed');
      await crew.judge();
      expect(crew.provider.requests).toHaveLength(2);
    }),
  );
});
