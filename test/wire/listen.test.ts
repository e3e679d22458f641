import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decide } from '@parley/server/boot/config';
import { readEnvironment } from '@parley/server/boot/env';
import { createLogger } from '@parley/server/boot/log';
import { serve } from '@parley/server/boot/serve';
import { describe, expect, it } from 'vitest';
import { startApp } from '../support/app.ts';

/** A loopback address that no other test listens on. */
const own = `127.${[0, 0, 0].map(() => 1 + Math.floor(Math.random() * 250)).join('.')}`;

/** Whether this user may listen on this port, and has such an address. */
async function mayListen(port: number): Promise<boolean> {
  const probe = createServer().listen(port, own);
  try {
    await once(probe, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}

const mayUse80 = await mayListen(80);

describe('a server', () => {
  // Guard: the port is the socket's. A URL does not say the one that goes without saying.
  it.runIf(mayUse80)('says its port, also when that is 80', async () => {
    const app = await startApp({ env: { HOST: own, PORT: '80' } });
    try {
      expect([app.url, app.server.port]).toEqual([`http://${own}:80`, 80]);
    } finally {
      await app.stop();
    }
  });

  // Guard: `checkHost`, before anything else is started.
  it.each(['nowhere.invalid', '192.0.2.1', '127.0.0.1:80'])(
    'on a host that is not here (%s) says so, and starts nothing',
    async (HOST) => {
      const parent = mkdtempSync(join(tmpdir(), 'parley-test-listen-'));
      const folder = join(parent, 'data');
      try {
        const config = decide(readEnvironment({ HOST, PORT: '0', DATA_DIR: folder }));
        const refusal = await serve(config, createLogger({ level: 'silent' })).catch((error: unknown) => error);
        expect(refusal).toMatchObject({ name: 'BadEnvironment', message: expect.stringMatching(/^HOST [^\n]*$/) });
        expect(existsSync(folder)).toBe(false);
      } finally {
        rmSync(parent, { recursive: true, force: true });
      }
    },
  );
});
