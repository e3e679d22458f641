import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, jwtSecret, startApp } from '../support/app.ts';
import { failureOf, httpClient, openSocket, reasonOf } from '../support/stock.ts';

const issuer = 'https://issuer.example';
const audience = 'parley';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
/** The issuer's keys, on a server of their own. */
const keys = createServer(async (_request, response) => {
  const jwk = { ...(await exportJWK(rsa.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
});

let app: App;
beforeAll(async () => {
  await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
  const address = keys.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  app = await startApp({
    env: {
      AUTH_JWKS_URL: `http://127.0.0.1:${port}/jwks`,
      AUTH_ISSUER: issuer,
      AUTH_AUDIENCE: audience,
    },
  });
});
afterAll(async () => {
  await app.stop();
  keys.closeAllConnections();
  await new Promise((resolve) => keys.close(resolve));
});

const soon = () => Math.floor(Date.now() / 1000) + 600;
const good = () => ({ sub: 'ada', tenant: 'acme', type: 'access', exp: soon(), iss: issuer, aud: audience });
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token as its maker likes it: any header, any claims, any secret. */
function forge(header: object, claims: object, secret: string | null = jwtSecret): string {
  const body = `${encode(header)}.${encode(claims)}`;
  return `${body}.${secret === null ? '' : createHmac('sha256', secret).update(body).digest('base64url')}`;
}
const hs = (claims: object, secret?: string) => forge({ alg: 'HS256', typ: 'JWT' }, claims, secret);
const rs = (claims: Record<string, unknown>, key = rsa.privateKey, header: object = {}) =>
  new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'one', ...header }).sign(key);
const withToken = (token: string) => httpClient(app.url, { authorization: `Bearer ${token}` });
const without = (name: string) => Object.fromEntries(Object.entries(good()).filter(([key]) => key !== name));

describe('an access token', () => {
  it('is good with HS256 by the secret and with RS256 by the issuer', async () => {
    expect((await withToken(hs(good())).account.me.query()).user.id).toBe('ada');
    expect((await withToken(await rs(good())).account.me.query()).user.id).toBe('ada');
  });

  const spki = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const past = Math.floor(Date.now() / 1000) - 5;
  const bad: [string, () => string | Promise<string>][] = [
    ['nothing like a token', () => 'nonsense'],
    ['three dots', () => '...'],
    ['an empty object', () => forge({}, {})],
    ['expired', () => hs({ ...good(), exp: past })],
    ['expired, of the issuer', () => rs({ ...good(), exp: past })],
    ['not yet valid', () => hs({ ...good(), nbf: soon() })],
    ['of another secret', () => hs(good(), 'another secret, also long enough for one')],
    ['unsigned', () => forge({ alg: 'HS256' }, good(), null)],
    ['without a signature part', () => forge({ alg: 'HS256' }, good()).replace(/\.[^.]+$/, '')],
    ['alg none', () => forge({ alg: 'none' }, good(), null)],
    ['alg None', () => forge({ alg: 'None', typ: 'JWT' }, good(), null)],
    ['alg none, signed all the same', () => forge({ alg: 'none' }, good())],
    ['HS384 by the secret', () => forge({ alg: 'HS384' }, good())],
    ["HS256 by the issuer's public key", () => hs(good(), spki)],
    ['RS256 by a stranger', () => rs(good(), stranger.privateKey)],
    [
      'RS256 by a stranger who brings the key along',
      async () => rs(good(), stranger.privateKey, { jwk: await exportJWK(stranger.publicKey), kid: 'two' }),
    ],
    [
      'RS256 by a stranger who names an address of keys',
      () => rs(good(), stranger.privateKey, { jku: 'http://127.0.0.1:1/jwks', kid: 'two' }),
    ],
    ['a critical header nobody knows', () => forge({ alg: 'HS256', crit: ['rule'], rule: true }, good())],
    ['of another audience', () => hs({ ...good(), aud: 'someone-else' })],
    ['of another issuer', () => hs({ ...good(), iss: 'https://evil.example' })],
    ['a refresh token', () => hs({ ...good(), type: 'refresh' })],
    ...['sub', 'tenant', 'type', 'exp', 'iss', 'aud'].map((name): [string, () => string] => [
      `without ${name}`,
      () => hs(without(name)),
    ]),
    ['an empty subject', () => hs({ ...good(), sub: '' })],
    ['a subject that is a list', () => hs({ ...good(), sub: ['ada'] })],
    ['a tenant with a NUL', () => hs({ ...good(), tenant: 'a\0b' })],
    ['a tenant that is an object', () => hs({ ...good(), tenant: { a: 1 } })],
    ['an expiry that is text', () => hs({ ...good(), exp: '9999999999' })],
    ['longer than 8 KB', () => hs({ ...good(), pad: 'x'.repeat(9000) })],
  ];

  it.each(bad)('is refused: %s', async (_, make) => {
    const token = await make();
    const over = openSocket(app.ws, { token });
    const failures = await Promise.all([
      failureOf(withToken(token).account.me.query()),
      failureOf(withToken(token).conversations.create.mutate({})),
      failureOf(over.client.account.me.query()),
    ]);
    for (const failure of failures) {
      expect(failure).toMatchObject({ reason: 'UNAUTHENTICATED', retryable: false, message: 'Please sign in again.' });
      expect(Object.keys(failure.details ?? {})).toEqual(['cause']);
    }
    await over.close();
  });

  it('is read from the header and from connection parameters, never from a URL of a query or mutation', async () => {
    const token = hs(good());
    for (const query of [`token=${token}`, `access_token=${token}`, `connectionParams=${encode({ token })}`]) {
      const params = `connectionParams=${encodeURIComponent(JSON.stringify({ token }))}`;
      for (const each of [query, params]) {
        const response = await fetch(`${app.url}/trpc/account.me?${each}`);
        // Connection parameters that are no JSON cannot be read at all.
        expect(await response.text()).toMatch(/"reason":"(UNAUTHENTICATED|INVALID_MESSAGE)"/);
      }
    }
    const socket = openSocket(`${app.ws}?token=${token}`);
    expect(await reasonOf(socket.client.account.me.query())).toBe('UNAUTHENTICATED');
    await socket.close();
    for (const scheme of ['Basic', 'bearerish', '']) {
      const client = httpClient(app.url, { authorization: `${scheme} ${token}` });
      expect(await reasonOf(client.account.me.query())).toBe('UNAUTHENTICATED');
    }
    expect((await httpClient(app.url, { authorization: `bearer ${token}` }).account.me.query()).tenant).toBe('acme');
  });

  it('cannot act for another user, and an admin role alone is no scope of a limited token', async () => {
    const client = httpClient(app.url, { authorization: `Bearer ${hs(good())}`, 'x-parley-user': 'eve' });
    expect((await client.account.me.query()).user.id).toBe('ada');
    const limited = withToken(hs({ ...good(), roles: ['admin'], scope: 'files' }));
    expect((await limited.account.me.query()).scopes).toEqual(['files']);
    const failure = await failureOf(limited.conversations.create.mutate({}));
    expect(failure).toMatchObject({ reason: 'SCOPE_MISSING', details: { scope: 'chat' } });
    const none = withToken(hs({ ...good(), scope: 'admin:all CHAT chat\u00a0x' }));
    expect((await none.account.me.query()).scopes).toEqual([]);
  });
});
