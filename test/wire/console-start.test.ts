import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { freshDatabase } from '../support/database.ts';
import type { FreshDatabase } from '../support/postgres.ts';

const main = path.resolve(import.meta.dirname, '../../server/boot/main.ts');

let database: FreshDatabase;
let child: ChildProcess;
let output: string;

beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

beforeEach(() => start(database.url));

/** A server as `npm start` launches it while the console is still being built. */
function start(databaseUrl: string): void {
  output = '';
  child = spawn(process.execPath, [main, '--console-follows'], {
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      DATABASE_URL: databaseUrl,
      AUTH_JWT_SECRET: 'a secret of tests, as long as one has to be',
      LOG_LEVEL: 'silent',
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      output += String(chunk);
    });
}

afterEach(end);

async function end(): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it never came to that: ${output}`);
    await sleep(20);
  }
}

/** It has connected to its database: all but the console is there, or nearly. */
async function connected(): Promise<boolean> {
  const client = new pg.Client(database.url);
  await client.connect();
  try {
    const { rows } = await client.query(
      "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query ilike 'listen%'",
    );
    return rows.length > 0;
  } finally {
    await client.end();
  }
}

it('a server listens when the console is built, and not before', async () => {
  await until(connected);
  expect(output).toBe('');
  child.send('built');
  await until(() => output.includes('parley listening on http://127.0.0.1:'));
});

it('a server whose console cannot be built ends without a word: who builds it says why', async () => {
  await until(connected);
  child.disconnect();
  const [code] = await once(child, 'exit');
  expect([code, output]).toEqual([1, '']);
});

it('a server that is left before it has begun to wait ends too', async () => {
  child.disconnect();
  const [code] = await once(child, 'exit');
  expect([code, output]).toEqual([1, '']);
});

// Guard: `onParentGone` comes before `serve`.
it('a server that is left when the console is built, and before it listens, ends', async () => {
  await end();
  // Connected to, it says nothing: the start goes no further.
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  start(`postgres://parley@127.0.0.1:${address.port}/parley`);
  const [socket] = await once(silent, 'connection');
  child.send('built', () => child.disconnect());
  const [code] = await once(child, 'exit');
  socket.destroy();
  silent.close();
  expect([code, output]).toEqual([1, '']);
});

// Guard: what is to be done when the parent has gone changes once the server listens.
it('a server that is left when it listens closes', async () => {
  await until(connected);
  child.send('built');
  await until(() => output.includes('parley listening on'));
  child.disconnect();
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});
