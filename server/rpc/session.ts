import { randomBytes } from 'node:crypto';
import { type Locale, localeOf } from '@parley/shared/explain';
import { ParleyError, type Reason } from '@parley/shared/reason';
import type { Credentials, Presented, Principal } from '../account/principal.ts';
import type { Watcher } from '../account/watch.ts';
import type { CredentialListener } from './transport.ts';

/** What is known of a request or a connection before anything is asked of it. */
export interface Arrival {
  presented: Presented;
  /** The language that was asked for, until the user's own is known. */
  accepted: Locale;
  /** The caller's trace, when it sends one. */
  traceId: string | undefined;
  /** Where it came from. */
  address: string;
}

/** Ends of a credential that are not for good. */
const passing: ReadonlySet<Reason> = new Set<Reason>(['UNAVAILABLE', 'FORBIDDEN']);

/**
 * Whoever is at the other end of a request or a connection. The credential is looked at when a procedure first needs it, and
 * again for each call on a connection that lasts; while somebody listens it is watched, so that what lasts ends with it.
 */
export class Session implements Watcher {
  readonly address: string;
  readonly #credentials: Credentials;
  readonly #presented: Presented;
  readonly #accepted: Locale;
  #traceId: string | undefined;
  #principal: Principal | undefined;
  #ended: ParleyError | undefined;
  #listener: CredentialListener | undefined;
  #isWatched = false;

  constructor(credentials: Credentials, { presented, accepted, traceId, address }: Arrival) {
    this.#credentials = credentials;
    this.#presented = presented;
    this.#accepted = accepted;
    this.#traceId = traceId;
    this.address = address;
  }

  /** The language in which errors speak. */
  get locale(): Locale {
    const own = this.#principal?.locale;
    return own ? localeOf(own) : this.#accepted;
  }

  get traceId(): string {
    this.#traceId ??= randomBytes(16).toString('hex');
    return this.#traceId;
  }

  /** @throws ParleyError as `Credentials.authenticate` */
  async principal(): Promise<Principal> {
    const ended = this.#ended;
    const principal = await this.#credentials.authenticate(this.#presented);
    this.#principal = principal;
    // What ended because nobody could say, or with a suspension, is good again; unless it has ended meanwhile.
    if (ended && ended === this.#ended && passing.has(ended.reason)) this.#ended = undefined;
    this.#watch();
    return principal;
  }

  valid(): ParleyError | undefined {
    const expiresAt = this.#principal?.expiresAt;
    if (!this.#ended && expiresAt !== undefined && Date.now() >= expiresAt)
      this.#ended = new ParleyError('UNAUTHENTICATED', { details: { cause: 'expired' } });
    return this.#ended;
  }

  listen(listener: CredentialListener | undefined): void {
    this.#listener = listener;
    this.#watch();
  }

  onInvalid(error: ParleyError): void {
    this.#isWatched = false;
    this.#ended ??= error;
    // What was found good a moment before is not to be believed.
    if (this.#principal && error.reason === 'FORBIDDEN')
      this.#credentials.forget(this.#principal.tenant, this.#principal.userId);
    this.#listener?.onInvalid();
  }

  /** Somebody may listen before it is known who this is: on a connection whose first call is a subscription. */
  #watch(): void {
    const wanted = this.#listener !== undefined && this.#principal !== undefined;
    if (wanted === this.#isWatched) return;
    this.#isWatched = wanted;
    if (wanted && this.#principal) this.#credentials.watch(this.#principal, this);
    else this.#credentials.unwatch(this);
  }
}
