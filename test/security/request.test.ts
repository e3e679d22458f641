import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { limits } from '@parley/shared/limits';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../support/app.ts';
import { rawSocket } from '../support/raw-socket.ts';
import { describe as describeFailure, httpClient, reasonOf } from '../support/stock.ts';

let app: App;
let token: string;
beforeAll(async () => {
  app = await startApp();
  token = await app.token('ada');
});
afterAll(() => app.stop());

describe('an HTTP request', () => {
  const post = async (path: string, body: string, headers: Record<string, string> = {}) => {
    const init = { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers };
    const response = await fetch(`${app.url}/trpc/${path}`, { method: 'POST', headers: init, body });
    const answer = await response.text();
    return { status: response.status, reasons: [...answer.matchAll(/"reason":"(\w+)"/g)].map(([, reason]) => reason) };
  };

  it('with 11 calls in a batch is refused and none is run; 10 are fine', async () => {
    const client = await app.http('batch');
    const titles = (count: number) =>
      Promise.allSettled(
        Array.from({ length: count }, (_, i) => client.conversations.create.mutate({ title: `b${i}` })),
      );
    const refused = await titles(11);
    for (const each of refused) {
      if (each.status === 'fulfilled') throw new Error('a call was run');
      expect(describeFailure(each.reason).reason).toBe('INVALID_INPUT');
    }
    expect((await client.conversations.list.query({})).total).toBe(0);
    expect((await titles(10)).every(({ status }) => status === 'fulfilled')).toBe(true);
  });

  it.each(['', '{', 'nonsense', '"text"', '[1]', '{"json":', '\u0000'])('with a broken body (%j)', async (body) => {
    const { status, reasons } = await post('conversations.create', body);
    expect([200, 400]).toContain(status);
    if (status === 400) expect(reasons[0]).toMatch(/^INVALID_(MESSAGE|INPUT)$/);
  });

  it('of more than 1 MB: PAYLOAD_TOO_LARGE, whether it says its length or not', async () => {
    const body = JSON.stringify({ json: { title: 'x'.repeat(limits.bodyBytes) } });
    expect(await post('conversations.create', body)).toEqual({ status: 413, reasons: ['PAYLOAD_TOO_LARGE'] });
  });

  // Guard: the rest of a body is read for a while. A connection that is closed on who still sends is reset, its answer lost.
  it.each([
    ['conversations.create', 'application/json'],
    ['attachments.upload', 'application/octet-stream'],
  ])(
    'that is too large for %s, as %s without a length: the answer arrives, and the connection goes on',
    async (path, type) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const ask = (pieces: number) =>
        new Promise<{ status: number | undefined; text: string; again: boolean }>((resolve, reject) => {
          const headers = { 'content-type': type, authorization: `Bearer ${token}` };
          const url = `${app.url}/trpc/${path}`;
          const upload = request(url, { method: 'POST', headers, agent }, async (response) => {
            let text = '';
            for await (const piece of response) text += piece;
            if (!upload.writableFinished) await once(upload, 'finish');
            resolve({ status: response.statusCode, text, again: upload.reusedSocket });
          });
          upload.on('error', reject);
          for (let i = 0; i < pieces; i++) upload.write('x'.repeat(limits.bodyBytes));
          upload.end();
        });
      try {
        const refused = await ask(8);
        expect(refused).toMatchObject({ status: 413, text: expect.stringContaining('"PAYLOAD_TOO_LARGE"') });
        expect(await ask(0)).toMatchObject({ again: true });
      } finally {
        agent.destroy();
      }
    },
  );

  // Guard: the rest is read for a while only, whoever has refused it.
  it('that never ends is answered, and its connection closed', async () => {
    const endless = async (path: string, type: string): Promise<number | undefined> => {
      // One that would go on using the connection: only the server can end this.
      const agent = new Agent({ keepAlive: true });
      const headers = { 'content-type': type, authorization: `Bearer ${token}` };
      const upload = request(`${app.url}/trpc/${path}`, { method: 'POST', headers, agent });
      const closed = new Promise((resolve) => upload.once('close', resolve));
      upload.on('error', () => {});
      let status: number | undefined;
      upload.once('response', (response) => {
        response.resume();
        status = response.statusCode;
      });
      const block = Buffer.alloc(256 * 1024, 'x');
      // Slowly, once it has been answered.
      const pump = (): void => {
        if (!upload.destroyed) upload.write(block, () => (status === undefined ? pump() : setTimeout(pump, 50)));
      };
      pump();
      await closed;
      return status;
    };
    const answers = [
      endless('conversations.create', 'application/json'),
      endless('attachments.upload', 'application/octet-stream'),
      endless('conversations.create', 'text/plain'),
    ];
    expect(await Promise.all(answers)).toEqual([413, 413, 415]);
  });

  it('for what does not exist, in the wrong way or in another form', async () => {
    expect(await post('no.such', '{}')).toEqual({ status: 404, reasons: ['NOT_FOUND'] });
    expect(await post('__proto__', '{}')).toEqual({ status: 404, reasons: ['NOT_FOUND'] });
    expect(await post('constructor.constructor', '{}')).toEqual({ status: 404, reasons: ['NOT_FOUND'] });
    const get = await fetch(`${app.url}/trpc/conversations.create`, { headers: { authorization: `Bearer ${token}` } });
    expect(get.status).toBe(405);
    expect((await post('account.me', '{"json":null}')).status).toBe(405);
    expect(
      (await post('conversations.create', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' })).status,
    ).toBe(415);
    expect((await fetch(`${app.url}/nowhere`)).status).toBe(404);
    expect((await fetch(`${app.url}/trpc/%2e%2e/%2e%2e/etc/passwd`)).status).toBe(404);
    expect((await fetch(`${app.url}/trpc/${'a'.repeat(3_000)}`)).status).toBeLessThan(500);
  });
});

describe('a page of another origin', () => {
  it('may not open a WebSocket; its own and an allowed one may', async () => {
    for (const origin of ['https://evil.example', 'null', `${app.url}.evil.example`])
      await expect(rawSocket(app.ws, { origin })).rejects.toThrow('403');
    await expect(rawSocket(app.ws.replace('/trpc', '/elsewhere'))).rejects.toThrow('404');
    (await rawSocket(app.ws, { origin: app.url })).close();
    const allowing = await startApp({ env: { CORS_ORIGINS: 'https://good.example' } });
    try {
      (await rawSocket(allowing.ws, { origin: 'https://good.example' })).close();
      await expect(rawSocket(allowing.ws, { origin: 'https://good.example.evil' })).rejects.toThrow('403');
      const ask = async (origin: string) =>
        (await fetch(`${allowing.url}/trpc/system.ping`, { headers: { origin } })).headers;
      expect((await ask('https://good.example')).get('access-control-allow-origin')).toBe('https://good.example');
      expect((await ask('https://evil.example')).get('access-control-allow-origin')).toBeNull();
      const preflight = await fetch(`${allowing.url}/trpc/turns.send`, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://good.example',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type',
        },
      });
      expect(preflight.status).toBeLessThan(300);
      expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
    } finally {
      await allowing.stop();
    }
  });

  it('gets no leave to read by default', async () => {
    const response = await fetch(`${app.url}/trpc/system.ping`, { headers: { origin: 'https://evil.example' } });
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
    expect(await reasonOf(httpClient(app.url).account.me.query())).toBe('UNAUTHENTICATED');
  });
});
