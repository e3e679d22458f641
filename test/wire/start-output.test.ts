import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freshDatabase } from '../support/database.ts';
import type { FreshDatabase } from '../support/postgres.ts';

const boot = path.resolve(import.meta.dirname, '../../server/boot');

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

/** Tells whoever launched it which port it listens on: nobody reads what it says. */
const tellPort = `data:text/javascript,
  import { subscribe } from 'node:diagnostics_channel';
  import { Server } from 'node:http';
  subscribe('tracing:net.server.listen:asyncEnd', ({ server }) => {
    if (server instanceof Server) process.send(server.address().port);
  });`;

/** A server whose standard output is a pipe that this process does not read, and its address. */
async function start(): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, ['--import', tellPort, path.join(boot, 'main.ts')], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      PORT: '0',
      DATABASE_URL: database.url,
      AUTH_JWT_SECRET: 'a secret of tests, as long as one has to be',
      LOG_LEVEL: 'info',
      RATE_ADDRESS_PER_SECOND: '0',
    },
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
  });
  children.push(child);
  return { child, url: await told(child).then((port) => `http://127.0.0.1:${port}`) };
}

async function told(child: ChildProcess): Promise<number> {
  const [port] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(() => Promise.reject(new Error('it ended before it listened'))),
  ]);
  return port;
}

async function healthy(url: string): Promise<boolean> {
  return (await fetch(`${url}/healthz`)).ok;
}

// Guard: a destination of the log's own, in place of pino's, whose hook at the end writes until all has been read.
it('a server whose log nobody reads serves on, and ends when it is told to', async () => {
  const { child, url } = await start();
  // Ten lines of the log for each request, more of them than any pipe holds.
  const names = Array.from({ length: 10 }, (_, index) => `${'x'.repeat(180)}${index}`);
  const refused = `${url}/trpc/${names.join(',')}?batch=1&input=${encodeURIComponent('{}')}`;
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all(Array.from({ length: 25 }, () => fetch(refused)));
    for (const answer of answers) await answer.arrayBuffer();
  }
  expect(await healthy(url)).toBe(true);
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});

// Guard: a listener for the errors of standard output.
it('a server whose log has lost its reader before it listened serves on', async () => {
  const starting = start();
  children[0]?.stdout?.destroy();
  const { child, url } = await starting;
  for (let call = 0; call < 20; call += 1) expect(await healthy(url)).toBe(true);
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});

// Guard: the bound in `output.write`.
it('what nobody reads fills no memory', async () => {
  const program = `import { output } from ${JSON.stringify(path.join(boot, 'output.ts'))};
    for (let line = 0; line < 5_000; line += 1) output.write('x'.repeat(999) + '\\n');
    process.send(process.stdout.writableLength);
    await output.flush();
    process.exit(7);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
  });
  children.push(child);
  const waiting = await told(child);
  expect(waiting).toBeGreaterThan(500_000);
  expect(waiting).toBeLessThan(1_100_000);
  const [code] = await once(child, 'exit');
  expect(code).toBe(7);
});
