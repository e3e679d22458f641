import { createSecretKey, type KeyObject } from 'node:crypto';
import { type Scope, scopes } from '@parley/shared/account';
import { ParleyError } from '@parley/shared/reason';
import { decodeProtectedHeader, errors, type JWTVerifyOptions, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { identity } from './identity.ts';
import { type KeySource, KeysUnreachable, remoteKeys } from './jwks.ts';
import { embeddedSecret } from './secret.ts';

/** Whose tokens are believed. `kept` is the embedded mode's own secret, in `dataDir`. */
export type Trust =
  | { type: 'secret'; secret: string; issuer?: string | undefined; audience?: string | undefined }
  | { type: 'kept'; dataDir: string; issuer?: string | undefined; audience?: string | undefined }
  | { type: 'jwks'; url: string; issuer: string; audience: string };

export interface Claims {
  tenant: string;
  userId: string;
  roles: readonly string[];
  scopes: readonly Scope[];
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

/** What a trust's tokens are checked with. Its algorithms are its own; a token only names one of them. */
export interface Verifier {
  algorithms: readonly string[];
  key: KeyObject | KeySource;
  issuer: string | undefined;
  audience: string | undefined;
}

/** Longer ones are refused unread. */
const maximumLength = 8192;

const claimsSchema = z.object({
  sub: identity,
  tenant: identity,
  type: z.literal('access'),
  exp: z.number().positive().max(8.64e12),
  roles: z.array(z.string().max(64)).max(32).optional(),
  // OAuth writes one string, some issuers a list.
  scope: z
    .union([
      z
        .string()
        .max(2000)
        .transform((text) => text.split(' ')),
      z.array(z.string()).max(64),
    ])
    .optional(),
});

const noRoles: readonly string[] = [];
const ofEveryone: readonly Scope[] = scopes.filter((scope) => scope !== 'admin');

/** A token without `scope` may do all that its user may; with one, only what it lists. Shared where most have the same. */
function scopesOf(roles: readonly string[], listed: readonly string[] | undefined): readonly Scope[] {
  if (listed) return scopes.filter((scope) => listed.includes(scope));
  return roles.includes('admin') ? scopes : ofEveryone;
}

/** Makes ready what tokens are checked with; makes the embedded mode's secret where there is none yet. */
export async function verifiersFor(trust: readonly Trust[]): Promise<Verifier[]> {
  return Promise.all(
    trust.map(async (each): Promise<Verifier> => {
      const { issuer, audience } = each;
      if (each.type === 'jwks') {
        return { algorithms: ['RS256', 'ES256', 'EdDSA'], key: remoteKeys(new URL(each.url)), issuer, audience };
      }
      const secret = each.type === 'secret' ? each.secret : await embeddedSecret(each.dataDir);
      return { algorithms: ['HS256'], key: createSecretKey(Buffer.from(secret)), issuer, audience };
    }),
  );
}

/**
 * The claims of an access token. Keys and algorithms come from `verifiers` alone: `alg: none`, a public key used as a
 * secret, and keys or addresses of keys within a token have no way in.
 * `now` is in milliseconds since the epoch.
 * @throws ParleyError UNAUTHENTICATED, whose `details.cause` is 'expired' or 'invalid' and nothing more; UNAVAILABLE when
 * the issuer's keys cannot be had
 */
export async function verifyToken(token: string, verifiers: readonly Verifier[], now = Date.now()): Promise<Claims> {
  try {
    if (token.length > maximumLength) throw new RangeError('too long');
    const { alg } = decodeProtectedHeader(token);
    const verifier = verifiers.find(({ algorithms }) => algorithms.includes(alg ?? ''));
    if (!verifier) throw new RangeError('no such algorithm');
    const options: JWTVerifyOptions = {
      algorithms: [...verifier.algorithms],
      requiredClaims: ['sub', 'tenant', 'type', 'exp'],
      currentDate: new Date(now),
    };
    if (verifier.issuer !== undefined) options.issuer = verifier.issuer;
    if (verifier.audience !== undefined) options.audience = verifier.audience;
    const { key } = verifier;
    const { payload } = typeof key === 'function' ? await key(token, options) : await jwtVerify(token, key, options);
    const { sub, tenant, roles = noRoles, scope, exp } = claimsSchema.parse(payload);
    return { tenant, userId: sub, roles, scopes: scopesOf(roles, scope), expiresAt: exp * 1000 };
  } catch (cause) {
    if (cause instanceof KeysUnreachable) throw new ParleyError('UNAVAILABLE', { cause });
    const expired = cause instanceof errors.JWTExpired;
    throw new ParleyError('UNAUTHENTICATED', { cause, details: { cause: expired ? 'expired' : 'invalid' } });
  }
}

export interface NewToken {
  secret: string;
  user: string;
  tenant: string;
  roles?: readonly string[];
  /** Absent: everything that the user may do. */
  scope?: readonly Scope[];
  /** Seconds. */
  lifetime?: number;
  issuer?: string | undefined;
  audience?: string | undefined;
}

/** An access token of a trust by secret (HS256), for the command line and for tests. */
export async function signToken(token: NewToken): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const jwt = new SignJWT({
    tenant: token.tenant,
    type: 'access',
    ...(token.roles && { roles: token.roles }),
    ...(token.scope && { scope: token.scope.join(' ') }),
  })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(token.user)
    .setIssuedAt(now)
    .setExpirationTime(now + (token.lifetime ?? 3600));
  if (token.issuer !== undefined) jwt.setIssuer(token.issuer);
  if (token.audience !== undefined) jwt.setAudience(token.audience);
  return jwt.sign(Buffer.from(token.secret));
}
