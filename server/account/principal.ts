import { createHash } from 'node:crypto';
import type { Db } from '@parley/db/connect';
import { failureReason } from '@parley/db/failure';
import { findApiKey, touchApiKey } from '@parley/db/repository/api-key';
import { findUser, provisionUser, type UserRow } from '@parley/db/repository/user';
import { type Scope, scopes } from '@parley/shared/account';
import { ParleyError } from '@parley/shared/reason';
import { identity } from './identity.ts';
import { isKey, matches, parseKey } from './key.ts';
import { Recent } from './recent.ts';
import { type Verifier, verifyToken } from './token.ts';
import { Watch, type Watcher, type WatchTiming } from './watch.ts';

/** Who calls, and what the credential allows. */
export interface Principal {
  tenant: string;
  userId: string;
  roles: readonly string[];
  scopes: readonly Scope[];
  approved: boolean;
  /** BCP 47, from the user's profile. */
  locale: string | null;
  via: 'token' | 'key';
  /** Of an API key. */
  keyId?: string;
  /** Of a token; milliseconds since the epoch. */
  expiresAt?: number;
}

/** What came with a request or a connection. */
export interface Presented {
  /** The `Authorization` header. */
  authorization?: string | undefined;
  /** A credential that came by another way, such as `connectionParams`; goes first. */
  token?: string | undefined;
  /** For whom an API key acts. */
  actingUser?: string | undefined;
}

export interface CredentialsOptions {
  db: Db;
  verifiers: readonly Verifier[];
  provision: 'auto' | 'closed';
  /** Milliseconds since the epoch. */
  now?: () => number;
  timing?: Partial<WatchTiming & { recentMs: number }>;
}

/** Credentials that are remembered as good. */
const recentSize = 10_000;

function refused(cause: 'missing' | 'invalid' | 'expired'): ParleyError {
  return new ParleyError('UNAUTHENTICATED', { details: { cause } });
}

/**
 * Turns credentials into principals. What is good is remembered for two seconds, so that a busy user costs the database
 * nothing and one who is suspended is out almost at once; what is bad is looked at afresh each time.
 */
export class Credentials {
  readonly #db: Db;
  readonly #verifiers: readonly Verifier[];
  readonly #provision: 'auto' | 'closed';
  readonly #now: () => number;
  readonly #recent: Recent<Principal>;
  /** Looked at right now: callers with the same credential wait for one answer. */
  readonly #looking = new Map<string, Promise<Principal>>();
  readonly #watch: Watch;

  constructor(options: CredentialsOptions) {
    this.#db = options.db;
    this.#verifiers = options.verifiers;
    this.#provision = options.provision;
    this.#now = options.now ?? Date.now;
    const { sweepMs = 2000, graceMs = 30_000, recentMs = 2000 } = options.timing ?? {};
    this.#recent = new Recent(recentSize, recentMs);
    this.#watch = new Watch(options.db, { sweepMs, graceMs }, this.#now);
  }

  /**
   * @throws ParleyError UNAUTHENTICATED (`details.cause`: 'missing', 'invalid' or 'expired'), FORBIDDEN for a suspended user,
   * INVALID_INPUT for an API key without a user to act for, UNAVAILABLE when the database or the issuer cannot be asked
   */
  async authenticate(presented: Presented): Promise<Principal> {
    const credential = presented.token ?? /^Bearer +(\S+) *$/i.exec(presented.authorization ?? '')?.[1];
    if (!credential) throw refused(presented.authorization ? 'invalid' : 'missing');
    // A token's user is its subject: it acts for nobody else.
    const actingUser = isKey(credential) ? presented.actingUser : undefined;
    const name = createHash('sha256')
      .update(JSON.stringify([credential, actingUser]))
      .digest('base64');
    const recent = this.#recent.get(name);
    if (recent && (recent.expiresAt === undefined || recent.expiresAt > this.#now())) return recent;
    let looking = this.#looking.get(name);
    if (!looking) {
      looking = this.#look(name, credential, actingUser).finally(() => this.#looking.delete(name));
      this.#looking.set(name, looking);
    }
    return looking;
  }

  /**
   * Tells the watcher, once and within a few seconds, when the principal's token expires, its key is revoked or its user
   * suspended. A watcher watches one principal.
   */
  watch(principal: Principal, watcher: Watcher): void {
    this.#watch.add(principal, watcher);
  }

  unwatch(watcher: Watcher): void {
    this.#watch.delete(watcher);
  }

  /** Looks afresh at a user's credentials from now on: after a change that should be seen at once on this replica. */
  forget(tenant: string, userId: string): void {
    this.#recent.drop((principal) => principal.tenant === tenant && principal.userId === userId);
  }

  async close(): Promise<void> {
    this.#recent.close();
    await this.#watch.close();
  }

  async #look(name: string, credential: string, actingUser: string | undefined): Promise<Principal> {
    const from = performance.now();
    try {
      const principal = isKey(credential) ? await this.#byKey(credential, actingUser) : await this.#byToken(credential);
      // One who waits for approval is let in as soon as it is given.
      if (principal.approved) this.#recent.put(name, principal, from);
      return principal;
    } catch (error) {
      const reason = failureReason(error);
      throw reason === undefined ? error : new ParleyError(reason, { cause: error });
    }
  }

  async #byToken(token: string): Promise<Principal> {
    const { tenant, userId, roles, scopes, expiresAt } = await verifyToken(token, this.#verifiers, this.#now());
    const { approved, locale } = await this.#user(tenant, userId);
    return { tenant, userId, roles, scopes, approved, locale, via: 'token', expiresAt };
  }

  async #byKey(text: string, actingUser: string | undefined): Promise<Principal> {
    const parsed = parseKey(text);
    const key = parsed && (await findApiKey(this.#db, parsed.id));
    if (!key || !matches(parsed.secret, key.secret_hash)) throw refused('invalid');
    const user = identity.safeParse(actingUser);
    if (!user.success) {
      throw new ParleyError('INVALID_INPUT', { details: { user: 'an API key needs a user to act for' } });
    }
    const { approved, locale } = await this.#user(key.tenant_id, user.data);
    // When it was last used is for people: not worth an error.
    if (key.stale) await touchApiKey(this.#db, key.tenant_id, key.id).catch(() => {});
    return {
      tenant: key.tenant_id,
      userId: user.data,
      roles: [],
      scopes: scopes.filter((scope) => key.scopes.includes(scope)),
      approved,
      locale,
      via: 'key',
      keyId: key.id,
    };
  }

  async #user(tenant: string, id: string): Promise<UserRow> {
    const found = await findUser(this.#db, tenant, id);
    const user = found ?? (this.#provision === 'auto' ? await provisionUser(this.#db, tenant, id) : undefined);
    if (!user) throw refused('invalid');
    if (user.suspended) throw new ParleyError('FORBIDDEN');
    return user;
  }
}
