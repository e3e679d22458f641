import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { newId } from '@parley/shared/id';

/**
 * API keys are `pk_<id>_<secret>`: the id finds the row, the secret is 32 random bytes. One SHA-256 is enough to store it by,
 * since what is that random cannot be guessed from its hash; a slow hash is for passwords.
 */
export interface NewKey {
  id: string;
  /** Shown once, never stored. */
  key: string;
  secretHash: Buffer;
}

export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

export function makeKey(): NewKey {
  const id = newId();
  const secret = randomBytes(32).toString('base64url');
  return { id, key: `pk_${id}_${secret}`, secretHash: hashSecret(secret) };
}

export function isKey(credential: string): boolean {
  return credential.startsWith('pk_');
}

/** The parts of a key; undefined when it is none. */
export function parseKey(key: string): { id: string; secret: string } | undefined {
  const [, id, secret] = /^pk_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_([A-Za-z0-9_-]{43})$/.exec(key) ?? [];
  return id !== undefined && secret !== undefined ? { id, secret } : undefined;
}

/** Compares in constant time. */
export function matches(secret: string, secretHash: Buffer): boolean {
  const hash = hashSecret(secret);
  return hash.length === secretHash.length && timingSafeEqual(hash, secretHash);
}
