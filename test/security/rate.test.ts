import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { startApp } from '../support/app.ts';
import { base64, recording } from '../support/recording.ts';
import { type Failure, failureOf, reasonOf } from '../support/stock.ts';
import { sampleRate, speech, startVoiceService } from '../support/voice.ts';

const text = (words: string) => [{ type: 'text' as const, text: words }];

async function limited(env: Record<string, string>) {
  const app = await startApp({ model: 'echo:1', env });
  onTestFinished(() => app.stop());
  return app;
}

/** How the request to open a socket is answered. */
async function handshake(url: string, headers: Record<string, string>) {
  const ws = new WebSocket(url, { headers });
  return new Promise<{ status: number; retryAfter?: string | undefined; body: string }>((resolve, reject) => {
    ws.on('error', reject);
    ws.on('open', () => {
      ws.close();
      resolve({ status: 101, body: '' });
    });
    ws.on('unexpected-response', async (_request, response) => {
      const body = (await response.toArray()).join('');
      resolve({ status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body });
    });
  });
}

function expectLimited(failure: Failure): void {
  expect(failure).toMatchObject({ reason: 'RATE_LIMITED', retryable: true });
  expect(failure.details?.retryAfterMs).toBeGreaterThan(0);
}

describe('rates', () => {
  it("a user's calls beyond the burst are RATE_LIMITED over all connections, another user's are not", async () => {
    // The burst comes back over a thousand seconds: no call is forgiven while the test runs.
    const app = await limited({ RATE_USER_PER_SECOND: '1', RATE_USER_BURST: '6' });
    const [socket, http, other] = [await app.trpc('ada'), await app.http('ada'), await app.http('eve')];
    for (let i = 0; i < 3; i++) await Promise.all([socket.account.me.query(), http.account.me.query()]);
    const refused = await Promise.all([failureOf(socket.account.me.query()), failureOf(http.account.me.query())]);
    for (const failure of refused) expectLimited(failure);
    expect((await other.account.me.query()).user.id).toBe('eve');
    const twin = await app.http('ada', { tenant: 'globex' });
    expect((await twin.account.me.query()).tenant).toBe('globex');
  });

  it('turns beyond the rate are RATE_LIMITED, store nothing, and other calls go on', async () => {
    const app = await limited({ RATE_TURNS_PER_MINUTE: '2' });
    const ada = await app.trpc('ada');
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const { turn } = await ada.turns.ask.mutate({ conversationId, parts: text('one') });
    await ada.turns.ask.mutate({ conversationId, parts: text('two') });
    expectLimited(await failureOf(ada.turns.send.mutate({ conversationId, parts: text('three') })));
    expect(await reasonOf(ada.turns.ask.mutate({ conversationId, parts: text('three') }))).toBe('RATE_LIMITED');
    expect(await reasonOf(ada.turns.retry.mutate({ turnId: turn.id }))).toBe('RATE_LIMITED');
    expect((await ada.conversations.messages.query({ conversationId })).total).toBe(4);
  });

  // Guards: what ends a recording is counted before it is stored, be it new or known; nothing else of a recording is.
  it('turns by voice beyond the rate are RATE_LIMITED, and recordings go on when they may', async () => {
    const service = await startVoiceService();
    const app = await limited({ ...service.env, RATE_TURNS_PER_MINUTE: '1' });
    onTestFinished(() => service.close());
    const ada = await app.trpc('ada');
    const { id: conversationId } = await ada.conversations.create.mutate({});
    const [first, second] = [recording(ada, conversationId), recording(ada, conversationId)];
    await first.send(0);
    expect(await first.send(1, { isLast: true })).toMatchObject({ status: 'accepted', missing: [] });
    expect(await first.send(1, { isLast: true })).toMatchObject({ status: 'duplicate' });
    await second.send(0);
    expectLimited(await failureOf(second.send(1, { isLast: true })));
    expectLimited(await failureOf(second.send(0, { isLast: true })));
    const data = base64(speech(3));
    const whole = ada.voice.sendMessage.mutate({ conversationId, format: 'pcm_s16le', sampleRate, data });
    expectLimited(await failureOf(whole));
    expect(await second.send(2)).toMatchObject({ status: 'accepted', missing: [1] });
  });

  it('an address that calls too often is RATE_LIMITED before its credential is looked at', async () => {
    const app = await limited({ RATE_ADDRESS_PER_SECOND: '3' });
    const bad = await app.http('ada', { headers: { authorization: 'Bearer nonsense' } });
    const reasons = await Promise.all(Array.from({ length: 10 }, () => reasonOf(bad.account.me.query())));
    expect(new Set(reasons)).toEqual(new Set(['UNAUTHENTICATED', 'RATE_LIMITED']));
  });

  it('an address that opens sockets too often is refused with RATE_LIMITED at the handshake (guard: sockets ask the rates)', async () => {
    const app = await limited({ RATE_ADDRESS_PER_SECOND: '3', TRUST_PROXY: '127.0.0.1' });
    const from = (address: string) => handshake(app.ws, { 'x-forwarded-for': address });
    const answers = await Promise.all(Array.from({ length: 30 }, () => from('198.51.100.1')));
    const refused = answers.filter(({ status }) => status !== 101);
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(3);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, retryAfter, body } of refused) {
      expect(status).toBe(429);
      expect(Number(retryAfter)).toBe(1);
      const { data } = JSON.parse(body).error.json;
      expectLimited(data);
    }
    // Others are let in, and so is this one a second later.
    expect(await from('198.51.100.2')).toMatchObject({ status: 101 });
    await expect.poll(() => from('198.51.100.1'), { timeout: 5_000, interval: 200 }).toMatchObject({ status: 101 });
  });

  it('a proxy is believed only when it is named, or its network', async () => {
    const trusting = await limited({ RATE_ADDRESS_PER_SECOND: '2', TRUST_PROXY: '127.0.0.0/8' });
    const elsewhere = await limited({ RATE_ADDRESS_PER_SECOND: '2', TRUST_PROXY: '10.0.0.0/8,::1' });
    const doubting = await limited({ RATE_ADDRESS_PER_SECOND: '2' });
    for (const [app, expected] of [
      [trusting, [undefined]],
      [elsewhere, [undefined, 'RATE_LIMITED']],
      [doubting, [undefined, 'RATE_LIMITED']],
    ] as const) {
      const clients = await Promise.all(
        Array.from({ length: 8 }, (_, i) => app.http('ada', { headers: { 'x-forwarded-for': `198.51.100.${i}` } })),
      );
      const calls = clients.map(async (client) => {
        try {
          await client.account.me.query();
          return undefined;
        } catch (error) {
          return (await failureOf(Promise.reject(error))).reason;
        }
      });
      expect(new Set(await Promise.all(calls))).toEqual(new Set(expected));
    }
  });
});
