import fs from 'node:fs';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import zlib from 'node:zlib';
import { decide } from '@parley/server/boot/config';
import { readEnvironment } from '@parley/server/boot/env';
import { createLogger } from '@parley/server/boot/log';
import { serve as serveConfig } from '@parley/server/boot/serve';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/database.ts';
import type { FreshDatabase } from '../support/postgres.ts';

const script = `console.log(${JSON.stringify('parley '.repeat(200))})`;
const html = '<!doctype html><title>the console</title>';

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());

let folder: string;
let url: string;
let close: () => Promise<void>;

async function serve(): Promise<void> {
  const env = { PORT: '0', DATABASE_URL: database.url, AUTH_JWT_SECRET: 'a secret of tests, as long as one has to be' };
  const config = { ...decide(readEnvironment(env)), consoleFolder: folder };
  ({ url, close } = await serveConfig(config, createLogger({ level: 'silent' })));
}

function write(name: string, content: string): void {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
  fs.writeFileSync(`${file}.br`, zlib.brotliCompressSync(content));
  fs.writeFileSync(`${file}.gz`, zlib.gzipSync(content));
}

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'parley-test-console-'));
});
afterEach(async () => {
  await close();
  fs.rmSync(folder, { recursive: true, force: true });
});

describe('a console that was built', () => {
  beforeEach(async () => {
    write('abc/index.html', html);
    write('abc/assets/index-h4sh.js', script);
    fs.writeFileSync(path.join(folder, 'secret.txt'), 'not for everybody');
    fs.writeFileSync(path.join(folder, 'current'), 'abc');
    await serve();
  });

  it('is the page at / and at a conversation, asked for anew each time', async () => {
    for (const at of ['/', '/index.html', '/c/01a1f7cf-3bcf-7018-a86d-f570eea1006a', '/c/anything?x=1']) {
      const response = await fetch(url + at);
      expect([at, response.status, await response.text()]).toEqual([at, 200, html]);
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(response.headers.get('cache-control')).toBe('no-cache');
      const again = await fetch(url + at, {
        headers: { 'if-none-match': response.headers.get('etag') ?? '', 'cache-control': 'max-age=0' },
      });
      expect([at, again.status]).toEqual([at, 304]);
    }
  });

  it('gives its files compressed, to be kept for ever', async () => {
    const at = `${url}/assets/index-h4sh.js`;
    const size: Record<string, number> = {};
    for (const encoding of ['br', 'gzip', 'identity']) {
      const response = await fetch(at, { headers: { 'accept-encoding': encoding } });
      expect([encoding, response.status, await response.text()]).toEqual([encoding, 200, script]);
      expect(response.headers.get('content-encoding')).toBe(encoding === 'identity' ? null : encoding);
      expect(response.headers.get('content-type')).toMatch(/javascript/);
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(response.headers.get('vary')).toBe('accept-encoding');
      size[encoding] = Number(response.headers.get('content-length'));
    }
    expect(size.br).toBeLessThan(size.identity ?? 0);
    expect(size.gzip).toBeLessThan(size.identity ?? 0);
  });

  it('answers HEAD like GET without a body', async () => {
    for (const at of ['/', '/c/x', '/assets/index-h4sh.js']) {
      const [head, get] = await Promise.all([fetch(url + at, { method: 'HEAD' }), fetch(url + at)]);
      expect([at, head.status, await head.text()]).toEqual([at, 200, '']);
      for (const name of ['content-type', 'cache-control', 'content-length', 'etag'])
        expect([at, name, head.headers.get(name)]).toEqual([at, name, get.headers.get(name)]);
    }
  });

  it('gives nothing that is not of the build', async () => {
    const paths = ['/assets/none.js', '/assets', '/current', '/secret.txt', '/../secret.txt', '/%2e%2e/secret.txt'];
    paths.push(
      '/assets/..%2f..%2f..%2fsecret.txt',
      '/assets/%2e%2e/%2e%2e/%2e%2e/secret.txt',
      '/c/x/y',
      '/c/..%2f..%2fsecret.txt',
    );
    for (const at of paths) {
      const text = await rawGet(at);
      expect([at, text.includes('not for everybody')]).toEqual([at, false]);
      if (!at.startsWith('/c/..')) expect([at, text.slice(0, 12)]).toEqual([at, 'HTTP/1.1 404']);
    }
    expect((await fetch(url, { method: 'POST' })).status).toBe(404);
  });

  it('leaves other routes alone', async () => {
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' });
  });
});

describe.each([
  ['none', () => {}],
  ['one that was swept away', () => fs.writeFileSync(path.join(folder, 'current'), 'gone')],
])('without a build (%s)', (_name, prepare) => {
  it('says at / how to get it', async () => {
    prepare();
    await serve();
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect(await response.text()).toMatch(/npm start/);
    expect((await fetch(`${url}/c/x`)).status).toBe(404);
  });
});

/** `fetch` would tidy the path up. */
async function rawGet(target: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.end(`GET ${target} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}
