import { ParleyError } from '@parley/shared/reason';
import type { Credentials, Presented, Principal } from '../account/principal.ts';

/**
 * Whoever is at the other end of a request or a connection. The credential is looked at when a procedure first needs it, and
 * again for each call on a connection that lasts; while somebody listens it is watched, so that what lasts ends with it.
 */
export class Session {
  readonly #credentials: Credentials;
  readonly #presented: Presented;
  #principal: Principal | undefined;
  #ended: ParleyError | undefined;
  #listeners: Set<() => void> | undefined;
  #unwatch: (() => void) | undefined;

  constructor(credentials: Credentials, presented: Presented) {
    this.#credentials = credentials;
    this.#presented = presented;
  }

  /** @throws ParleyError as `Credentials.authenticate` */
  async principal(): Promise<Principal> {
    const principal = await this.#credentials.authenticate(this.#presented);
    this.#principal = principal;
    this.#watch();
    return principal;
  }

  get locale(): string | null {
    return this.#principal?.locale ?? null;
  }

  valid(): ParleyError | undefined {
    const expiresAt = this.#principal?.expiresAt;
    if (!this.#ended && expiresAt !== undefined && Date.now() >= expiresAt)
      this.#ended = new ParleyError('UNAUTHENTICATED', { details: { cause: 'expired' } });
    return this.#ended;
  }

  onInvalid(callback: () => void): () => void {
    this.#listeners ??= new Set();
    const listeners = this.#listeners;
    listeners.add(callback);
    this.#watch();
    return () => {
      listeners.delete(callback);
      if (listeners.size > 0) return;
      this.#unwatch?.();
      this.#unwatch = undefined;
    };
  }

  /** Somebody may listen before it is known who this is: on a connection whose first call is a subscription. */
  #watch(): void {
    if (!this.#principal || !this.#listeners?.size) return;
    this.#unwatch ??= this.#credentials.watch(this.#principal, (error) => this.#end(error));
  }

  #end(error: ParleyError): void {
    this.#ended ??= error;
    for (const listener of [...(this.#listeners ?? [])]) listener();
  }
}
