import { describe, expect, it, onTestFinished } from 'vitest';
import { startApp } from '../support/app.ts';
import { type Failure, failureOf, reasonOf } from '../support/stock.ts';

const text = (words: string) => [{ type: 'text' as const, text: words }];

async function limited(env: Record<string, string>) {
  const app = await startApp({ model: 'echo:1', env });
  onTestFinished(() => app.stop());
  return app;
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

  it('an address that calls too often is RATE_LIMITED before its credential is looked at', async () => {
    const app = await limited({ RATE_ADDRESS_PER_SECOND: '3' });
    const bad = await app.http('ada', { headers: { authorization: 'Bearer nonsense' } });
    const reasons = await Promise.all(Array.from({ length: 10 }, () => reasonOf(bad.account.me.query())));
    expect(new Set(reasons)).toEqual(new Set(['UNAUTHENTICATED', 'RATE_LIMITED']));
  });

  it('a proxy is believed only when it is named', async () => {
    const trusting = await limited({ RATE_ADDRESS_PER_SECOND: '2', TRUST_PROXY: '127.0.0.1' });
    const doubting = await limited({ RATE_ADDRESS_PER_SECOND: '2' });
    for (const [app, expected] of [
      [trusting, [undefined]],
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
