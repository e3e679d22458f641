import { createHmac, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { mintToken } from '@parley/client/cli/token';
import { makeKey, matches, parseKey } from '@parley/server/account/key';
import { embeddedSecret } from '@parley/server/account/secret';
import { type Claims, signToken, type Verifier, verifiersFor, verifyToken } from '@parley/server/account/token';
import { exportJWK, exportSPKI, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';

const secret = 'a secret of at least thirty-two bytes';
const good = { sub: 'ann', tenant: 'acme', type: 'access' };
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed(claims: object, header: { alg?: string; [name: string]: unknown } = {}, key = secret): string {
  const unsigned = `${base64url({ alg: 'HS256', ...header })}.${base64url({ exp: 2e9, ...claims })}`;
  return `${unsigned}.${createHmac(header.alg === 'HS512' ? 'sha512' : 'sha256', key)
    .update(unsigned)
    .digest('base64url')}`;
}

describe('a token by secret', () => {
  let verifiers: Verifier[];
  const verify = (token: string, now?: number): Promise<Claims> => verifyToken(token, verifiers, now);
  beforeAll(async () => {
    verifiers = await verifiersFor([{ type: 'secret', secret }]);
  });

  it('gives its claims', async () => {
    expect(await verify(signed({ ...good, exp: 1_900_000_000 }))).toEqual({
      tenant: 'acme',
      userId: 'ann',
      roles: [],
      scopes: ['chat', 'voice', 'files', 'memory'],
      expiresAt: 1_900_000_000_000,
    });
    expect(await verify(await signToken({ secret, user: 'ann', tenant: 'acme' }))).toMatchObject({ userId: 'ann' });
  });

  it.each<[object, string[]]>([
    [{ roles: ['admin'] }, ['chat', 'voice', 'files', 'memory', 'admin']],
    [{ scope: 'openid voice' }, ['voice']],
    [{ scope: ['chat', 'admin'] }, ['chat', 'admin']],
    [{ scope: '' }, []],
    [{ roles: ['admin'], scope: 'chat' }, ['chat']],
  ])('with %j may do %j', async (claims, scopes) => {
    expect((await verify(signed({ ...good, ...claims }))).scopes).toEqual(scopes);
  });

  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ownKey = { kty: 'oct', k: Buffer.from('mine, and long enough to be a key').toString('base64url') };
  it.each<[string, string | (() => string | Promise<string>)]>([
    ['nothing', ''],
    ['no token', 'hello'],
    ['one that is too long', () => signed({ ...good, more: 'x'.repeat(8000) })],
    ['another secret', signed(good, {}, 'another secret of thirty-two bytes!')],
    ['no signature', () => `${signed(good).split('.').slice(0, 2).join('.')}.`],
    ['alg none', `${base64url({ alg: 'none' })}.${base64url({ ...good, exp: 2e9 })}.`],
    ['alg None', `${base64url({ alg: 'None' })}.${base64url({ ...good, exp: 2e9 })}.`],
    ['alg HS512', signed(good, { alg: 'HS512' })],
    ['alg RS256', signed(good, { alg: 'RS256' })],
    ['a key of its own', signed(good, { jwk: ownKey }, 'mine, and long enough to be a key')],
    ['a key elsewhere', signed(good, { jku: 'http://127.0.0.1:9/' }, 'mine, and long enough to be a key')],
    ['a critical extension', signed(good, { crit: ['b64'], b64: false })],
    ['another type', signed({ ...good, type: 'refresh' })],
    ['no type', signed({ ...good, type: undefined })],
    ['no subject', signed({ ...good, sub: undefined })],
    ['an empty subject', signed({ ...good, sub: '' })],
    ['a blank subject', signed({ ...good, sub: '  ' })],
    ['a NUL in the subject', signed({ ...good, sub: 'a\0' })],
    ['half a character in the subject', signed({ ...good, sub: 'a\ud800' })],
    ['a long subject', signed({ ...good, sub: 'x'.repeat(256) })],
    ['a number as subject', signed({ ...good, sub: 7 })],
    ['no tenant', signed({ ...good, tenant: undefined })],
    ['no expiry', signed({ ...good, exp: undefined })],
    ['an expiry as text', signed({ ...good, exp: '2000000000' })],
    ['not yet valid', signed({ ...good, nbf: 1_999_999_999 })],
    ['roles that are no list', signed({ ...good, roles: 'admin' })],
    ['another payload', () => signed(good).replace(/\.[^.]+\./, `.${base64url({ ...good, sub: 'bob', exp: 2e9 })}.`)],
    ['a public key as secret', async () => signed(good, {}, await exportSPKI(publicKey))],
  ])('is refused with %s', async (_name, token) => {
    const text = typeof token === 'string' ? token : await token();
    await expect(verify(text)).rejects.toMatchObject({ reason: 'UNAUTHENTICATED', details: { cause: 'invalid' } });
  });

  it('expires', async () => {
    const token = signed({ ...good, exp: 1_900_000_000 });
    await expect(verify(token, 1_899_999_999_000)).resolves.toMatchObject({ userId: 'ann' });
    await expect(verify(token, 1_900_000_000_000)).rejects.toMatchObject({ details: { cause: 'expired' } });
  });

  it('is checked for issuer and audience where they are configured', async () => {
    const strict = await verifiersFor([{ type: 'secret', secret, issuer: 'id', audience: 'parley' }]);
    await expect(verifyToken(signed({ ...good, iss: 'id', aud: 'parley' }), strict)).resolves.toBeDefined();
    for (const claims of [{}, { iss: 'id' }, { iss: 'id', aud: 'other' }, { iss: 'other', aud: 'parley' }]) {
      await expect(verifyToken(signed({ ...good, ...claims }), strict)).rejects.toThrow('UNAUTHENTICATED');
    }
  });
});

describe('a token by published keys', () => {
  const pairs = {
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    EdDSA: generateKeyPairSync('ed25519'),
  };
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  let answer: () => { status: number; body: string };
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    const { status, body } = answer();
    response.writeHead(status, { connection: 'close' }).end(body);
  });
  let url: string;

  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/keys`;
    const keys = await Promise.all(Object.values(pairs).map(({ publicKey }) => exportJWK(publicKey)));
    // A second RSA key: without a `kid` either may be meant.
    keys.unshift(await exportJWK(other.publicKey));
    answer = () => ({ status: 200, body: JSON.stringify({ keys }) });
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const trusting = () => verifiersFor([{ type: 'jwks', url, issuer: 'id', audience: 'parley' }]);
  const issue = (alg: keyof typeof pairs, claims: object = {}) =>
    new SignJWT({ ...good, iss: 'id', aud: 'parley', exp: 2e9, ...claims })
      .setProtectedHeader({ alg })
      .sign(pairs[alg].privateKey);

  it.each(['RS256', 'ES256', 'EdDSA'] as const)('is taken with %s', async (alg) => {
    expect(await verifyToken(await issue(alg), await trusting())).toMatchObject({ tenant: 'acme', userId: 'ann' });
  });

  it('fetches the keys once for many tokens', async () => {
    const verifiers = await trusting();
    const before = asked;
    const tokens = await Promise.all(['ann', 'bob', 'eve'].map((sub) => issue('ES256', { sub })));
    await Promise.all(tokens.map((token) => verifyToken(token, verifiers)));
    expect(asked - before).toBe(1);
  });

  it('is refused for another audience, from another issuer, and by a key that is not published', async () => {
    const verifiers = await trusting();
    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const forged = new SignJWT({ ...good, iss: 'id', aud: 'parley', exp: 2e9 }).setProtectedHeader({
      alg: 'RS256',
      jwk: await exportJWK(stranger.publicKey),
    });
    for (const token of [
      await issue('RS256', { aud: 'other' }),
      await issue('RS256', { iss: 'other' }),
      await issue('RS256', { aud: undefined }),
      await forged.sign(stranger.privateKey),
      // The public key, which everybody has, as an HMAC secret.
      signed({ ...good, iss: 'id', aud: 'parley' }, {}, await exportSPKI(pairs.RS256.publicKey)),
    ]) {
      await expect(verifyToken(token, verifiers)).rejects.toMatchObject({
        reason: 'UNAUTHENTICATED',
        details: { cause: 'invalid' },
      });
    }
  });

  // Guard: while the issuer is left alone, keys that are still good are looked at.
  it('is good by a key that is known while a strange one cannot be looked up', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const whole = answer;
    const verifiers = await trusting();
    const token = await issue('ES256');
    await verifyToken(token, verifiers);
    // The keys are asked for again, at most every half a minute, for a token that none of them fits.
    vi.setSystemTime(Date.now() + 31_000);
    answer = () => ({ status: 500, body: '' });
    try {
      const strange = await new SignJWT({ ...good, iss: 'id', aud: 'parley', exp: 2e9 })
        .setProtectedHeader({ alg: 'ES256', kid: 'strange' })
        .sign(pairs.ES256.privateKey);
      for (let i = 0; i < 2; i++) {
        await expect(verifyToken(strange, verifiers)).rejects.toMatchObject({ reason: 'UNAVAILABLE' });
        await expect(verifyToken(token, verifiers)).resolves.toMatchObject({ userId: 'ann' });
      }
    } finally {
      answer = whole;
    }
  });

  it.each([
    ['an error', { status: 500, body: '' }],
    ['a page', { status: 200, body: '<html>' }],
    ['no keys', { status: 200, body: '{}' }],
  ])('is neither good nor bad while the issuer answers %s', async (_name, broken) => {
    const whole = answer;
    const verifiers = await trusting();
    answer = () => broken;
    const before = asked;
    try {
      const failure = { reason: 'UNAVAILABLE' };
      await expect(verifyToken(await issue('ES256'), verifiers)).rejects.toMatchObject(failure);
      await expect(verifyToken(await issue('ES256'), verifiers)).rejects.toMatchObject(failure);
      // Not asked again at once.
      expect(asked - before).toBe(1);
    } finally {
      answer = whole;
    }
  });
});

describe("the embedded mode's secret", () => {
  const folder = mkdtempSync(join(tmpdir(), 'parley-secret-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is made once, also by many at a time, and only its owner may read it', async () => {
    const dataDir = join(folder, 'not/there/yet');
    // Some come while the first one is still writing, some just after.
    const late = async (turns: number) => {
      for (let i = 0; i < turns; i++) await nextTurn();
      return embeddedSecret(dataDir);
    };
    const secrets = await Promise.all(Array.from({ length: 200 }, (_, i) => late(i)));
    expect(new Set(secrets).size).toBe(1);
    expect(secrets[0]).toMatch(/^[\w-]{43}$/);
    expect(readdirSync(dataDir)).toEqual(['jwt-secret']);
    expect(statSync(join(dataDir, 'jwt-secret')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(dataDir, 'jwt-secret'), 'utf8').trim()).toBe(secrets[0]);
  });

  it('is not trusted when it is damaged', async () => {
    writeFileSync(join(folder, 'jwt-secret'), 'short\n');
    await expect(embeddedSecret(folder)).rejects.toThrow(/jwt-secret is damaged/);
  });

  it('makes tokens for the command line that the server takes', async () => {
    const dataDir = join(folder, 'embedded');
    const token = await mintToken({ user: 'ann', admin: true, dataDir });
    const verifiers = await verifiersFor([{ type: 'kept', dataDir }]);
    expect(await verifyToken(token, verifiers)).toMatchObject({
      tenant: 'default',
      userId: 'ann',
      roles: ['admin'],
      scopes: ['chat', 'voice', 'files', 'memory', 'admin'],
    });
  });
});

describe('an API key', () => {
  it('is found by its id and known by its secret', () => {
    const { id, key, secretHash } = makeKey();
    const parsed = parseKey(key);
    expect(parsed?.id).toBe(id);
    expect(matches(parsed?.secret ?? '', secretHash)).toBe(true);
    expect(matches(parseKey(makeKey().key)?.secret ?? '', secretHash)).toBe(false);
    for (const text of [key.slice(0, -1), `${key}x`, key.replace('pk_', 'sk_'), 'pk__', '']) {
      expect(parseKey(text)).toBeUndefined();
    }
  });
});
