import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose';

/** The issuer's keys could not be had; says nothing of the token. */
export class KeysUnreachable extends Error {
  override readonly name = 'KeysUnreachable';
}

/** Verifies a token with a key that it finds. @throws KeysUnreachable and jose's errors */
export type KeySource = (token: string, options: JWTVerifyOptions) => Promise<JWTVerifyResult>;

/** Milliseconds. */
const timing = { fetch: 3000, reloadAtMost: 30_000, keep: 600_000, pauseAfterFailure: 1000 };

/** Without a `kid` several keys may fit; more than these are not tried. */
const candidates = 4;

/**
 * Keys that an issuer publishes at `url`. They are fetched when first needed, kept for ten minutes, and fetched again for an
 * unknown `kid`, at most every 30 s; an issuer that does not answer is asked again after a second.
 */
export function remoteKeys(url: URL): KeySource {
  const remote = createRemoteJWKSet(url, {
    timeoutDuration: timing.fetch,
    cooldownDuration: timing.reloadAtMost,
    cacheMaxAge: timing.keep,
  });
  let failure: { error: KeysUnreachable; until: number } | undefined;

  /** Among the keys that are still good, while the issuer is left alone: a token with a strange one keeps nobody else out. */
  const findKept = async (...[header, token, unreachable]: [...Parameters<JWTVerifyGetKey>, Error]) => {
    const kept = remote.fresh ? remote.jwks() : undefined;
    if (!kept) throw unreachable;
    try {
      return await createLocalJWKSet(kept)(header, token);
    } catch (error) {
      throw error instanceof errors.JWKSNoMatchingKey ? unreachable : error;
    }
  };

  const find: JWTVerifyGetKey = async (header, token) => {
    if (failure && performance.now() < failure.until) return await findKept(header, token, failure.error);
    try {
      const key = await remote(header, token);
      failure = undefined;
      return key;
    } catch (cause) {
      const answered =
        cause instanceof errors.JWKSNoMatchingKey ||
        cause instanceof errors.JWKSMultipleMatchingKeys ||
        cause instanceof errors.JOSENotSupported;
      if (answered) throw cause;
      const error = new KeysUnreachable('the keys of the issuer of tokens cannot be had', { cause });
      failure = { error, until: performance.now() + timing.pauseAfterFailure };
      throw error;
    }
  };

  return async (token, options) => {
    try {
      return await jwtVerify(token, find, options);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      let tried = 0;
      for await (const key of error) {
        if (++tried > candidates) break;
        try {
          return await jwtVerify(token, key, options);
        } catch (next) {
          if (!(next instanceof errors.JWSSignatureVerificationFailed)) throw next;
        }
      }
      throw new errors.JWSSignatureVerificationFailed();
    }
  };
}
