import { randomBytes } from 'node:crypto';
import { type Locale, localeOf } from '@parley/shared/explain';
import { ParleyError } from '@parley/shared/reason';
import type { Credentials, Presented, Principal } from '../account/principal.ts';

const none: readonly (() => void)[] = [];

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

/**
 * Whoever is at the other end of a request or a connection. The credential is looked at when a procedure first needs it, and
 * again for each call on a connection that lasts; while somebody listens it is watched, so that what lasts ends with it.
 */
export class Session {
  readonly #credentials: Credentials;
  readonly #arrival: Arrival;
  #traceId: string | undefined;
  #principal: Principal | undefined;
  #ended: ParleyError | undefined;
  /** Almost always one: a connection with many subscriptions listens once for all of them, or not at all. */
  #listeners: readonly (() => void)[] = none;
  #unwatch: (() => void) | undefined;

  constructor(credentials: Credentials, arrival: Arrival) {
    this.#credentials = credentials;
    this.#arrival = arrival;
    this.#traceId = arrival.traceId;
  }

  /** The language in which errors speak. */
  get locale(): Locale {
    const own = this.#principal?.locale;
    return own ? localeOf(own) : this.#arrival.accepted;
  }

  get traceId(): string {
    this.#traceId ??= randomBytes(16).toString('hex');
    return this.#traceId;
  }

  get address(): string {
    return this.#arrival.address;
  }

  /** @throws ParleyError as `Credentials.authenticate` */
  async principal(): Promise<Principal> {
    const principal = await this.#credentials.authenticate(this.#arrival.presented);
    this.#principal = principal;
    this.#watch();
    return principal;
  }

  valid(): ParleyError | undefined {
    const expiresAt = this.#principal?.expiresAt;
    if (!this.#ended && expiresAt !== undefined && Date.now() >= expiresAt)
      this.#ended = new ParleyError('UNAUTHENTICATED', { details: { cause: 'expired' } });
    return this.#ended;
  }

  onInvalid(callback: () => void): () => void {
    this.#listeners = [...this.#listeners, callback];
    this.#watch();
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== callback);
      if (this.#listeners.length > 0) return;
      this.#unwatch?.();
      this.#unwatch = undefined;
    };
  }

  /** Somebody may listen before it is known who this is: on a connection whose first call is a subscription. */
  #watch(): void {
    if (!this.#principal || this.#listeners.length === 0) return;
    this.#unwatch ??= this.#credentials.watch(this.#principal, (error) => this.#end(error));
  }

  #end(error: ParleyError): void {
    this.#ended ??= error;
    for (const listener of this.#listeners) listener();
  }
}
