import type { protocolVersions } from '@parley/shared/limits';

/** An access token or an API key, or what gives a fresh one: asked at each connection. */
export type TokenSource = string | (() => string | Promise<string>);

const protocolVersion: (typeof protocolVersions)[number] = '1';

/** What the client presents itself with. */
export class Credential {
  readonly #token: TokenSource;
  readonly #user: string | undefined;

  /** @param user For whom an API key acts. */
  constructor(token: TokenSource, user: string | undefined) {
    this.#token = token;
    this.#user = user;
  }

  /** Whether asking again can give another token. */
  get isRenewable(): boolean {
    return typeof this.#token === 'function';
  }

  /** For WebSocket and EventSource. */
  async connectionParams(): Promise<Record<string, string>> {
    return { token: await this.#current(), protocolVersion, ...(this.#user !== undefined && { user: this.#user }) };
  }

  /** For HTTP. */
  async headers(): Promise<Record<string, string>> {
    return {
      authorization: `Bearer ${await this.#current()}`,
      'x-parley-protocol-version': protocolVersion,
      ...(this.#user !== undefined && { 'x-parley-user': this.#user }),
    };
  }

  async #current(): Promise<string> {
    return typeof this.#token === 'function' ? await this.#token() : this.#token;
  }
}
