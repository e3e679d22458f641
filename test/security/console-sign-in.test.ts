import fs from 'node:fs';
import { request } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { decide } from '@parley/server/boot/config';
import { readEnvironment } from '@parley/server/boot/env';
import { createLogger } from '@parley/server/boot/log';
import { type Server, serve } from '@parley/server/boot/serve';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp } from '../support/app.ts';
import { quickParent } from '../support/quick-parent.ts';

const at = '/console/sign-in';

interface Answer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  body: Record<string, unknown>;
}

/** As a browser would send it: `fetch` does not let a program name the Host. */
function ask(url: string, method: 'GET' | 'POST', headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url + at, { method, headers }, async (response) => {
      let text = '';
      for await (const chunk of response) text += String(chunk);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: JSON.parse(text) });
    });
    sent.once('error', reject);
    sent.end();
  });
}

describe('in the embedded mode', () => {
  let dataDir: string;
  let server: Server;
  beforeAll(async () => {
    dataDir = fs.mkdtempSync(path.join(quickParent(), 'parley-test-console-'));
    const config = decide(readEnvironment({ PORT: '0', DATA_DIR: dataDir }));
    server = await serve(config, createLogger({ level: 'silent' }));
  });
  afterAll(async () => {
    await server?.close();
    fs.rmSync(dataDir, { recursive: true, force: true });
  });

  const own = () => ({ host: `127.0.0.1:${server.port}`, origin: `http://127.0.0.1:${server.port}` });

  it('is offered', async () => {
    expect(await ask(server.url, 'GET', {})).toMatchObject({ status: 200, body: { local: true } });
  });

  it('gives its own page a token of an hour, that works, and keeps nobody else from seeing another', async () => {
    const { status, headers, body } = await ask(server.url, 'POST', { ...own(), 'sec-fetch-site': 'same-origin' });
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    const claims = decodeJwt(String(body.token));
    expect(claims).toMatchObject({ sub: os.userInfo().username, tenant: 'default', type: 'access' });
    expect(claims.roles).toBeUndefined();
    expect(Math.abs((claims.exp ?? 0) * 1000 - Number(body.expiresAt))).toBeLessThan(2_000);
    expect(Number(body.expiresAt) - Date.now()).toBeGreaterThan(3_500_000);
    const authorization = `Bearer ${String(body.token)}`;
    const me = await fetch(`${server.url}/trpc/account.me`, { headers: { authorization } });
    expect(me.status).toBe(200);
  });

  it.each(['localhost', '[::1]', '127.0.0.2'])('takes the name %s for this machine', async (name) => {
    const host = `${name}:${server.port}`;
    expect((await ask(server.url, 'POST', { host, origin: `http://${host}` })).status).toBe(200);
  });

  it.each<[string, () => Record<string, string>]>([
    ['another site', () => ({ origin: 'https://evil.example' })],
    ['another server of this machine', () => ({ origin: 'http://127.0.0.1:1' })],
    ['this server under another name of this machine', () => ({ origin: `http://localhost:${server.port}` })],
    ['this server over TLS', () => ({ origin: `https://127.0.0.1:${server.port}` })],
    ['a page without an origin', () => ({ origin: 'null' })],
    ['no page', () => ({ origin: '' })],
    ['a name that was made to lead here', () => ({ host: 'evil.example', origin: 'http://evil.example' })],
    [
      'a name that begins like this machine',
      () => ({ host: 'localhost.evil.example', origin: 'http://localhost.evil.example' }),
    ],
    ['a name that ends like this machine', () => ({ host: 'evil-127.0.0.1:80', origin: 'http://evil-127.0.0.1:80' })],
    ['two names', () => ({ host: 'evil.example\\@127.0.0.1', origin: 'http://evil.example\\@127.0.0.1' })],
    ['a proxy', () => ({ ...own(), 'x-forwarded-for': '203.0.113.7' })],
    ['a proxy that names itself', () => ({ ...own(), via: '1.1 edge' })],
    ['another site, as the browser says', () => ({ ...own(), 'sec-fetch-site': 'cross-site' })],
    ['a site of the same name, as the browser says', () => ({ ...own(), 'sec-fetch-site': 'same-site' })],
  ])('refuses %s', async (_name, headers) => {
    const { status, body } = await ask(server.url, 'POST', { ...own(), ...headers() });
    expect(status).toBe(403);
    expect(body).toEqual({ error: 'forbidden' });
  });

  it('has no other way in', async () => {
    const { origin } = own();
    expect((await fetch(`${server.url}${at}`, { method: 'PUT', headers: { origin } })).status).toBe(404);
    const preflight = await fetch(`${server.url}${at}`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).not.toBe('https://evil.example');
  });
});

describe('elsewhere', () => {
  it('a server with a database or a secret of its own neither offers nor has it', async () => {
    const app = await startApp();
    try {
      const { host } = new URL(app.url);
      expect(await ask(app.url, 'GET', {})).toMatchObject({ status: 200, body: { local: false } });
      expect((await ask(app.url, 'POST', { host, origin: app.url })).status).toBe(404);
    } finally {
      await app.stop();
    }
  });

  it.each([{ HOST: '0.0.0.0' }, { AUTH_PROVISION: 'closed' }])('the embedded mode neither, with %j', async (env) => {
    const dataDir = fs.mkdtempSync(path.join(quickParent(), 'parley-test-console-'));
    const config = decide(readEnvironment({ PORT: '0', DATA_DIR: dataDir, ...env }));
    const server = await serve(config, createLogger({ level: 'silent' }));
    try {
      const host = `127.0.0.1:${server.port}`;
      const url = `http://${host}`;
      expect(await ask(url, 'GET', {})).toMatchObject({ status: 200, body: { local: false } });
      expect((await ask(url, 'POST', { host, origin: url })).status).toBe(404);
    } finally {
      await server.close();
      fs.rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
