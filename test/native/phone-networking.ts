type Emit = (name: string, event: unknown) => void;

/** The native module under React Native's XMLHttpRequest, and so under its `fetch`, by its interface. A response comes whole. */
export class Networking {
  readonly #requests = new Map<number, AbortController>();
  readonly #emit: Emit;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  readonly sendRequest = (
    method: string,
    url: string,
    id: number,
    headers: readonly [string, string][],
    body: { string?: string },
    responseType: string,
  ): void => {
    const controller = new AbortController();
    this.#requests.set(id, controller);
    const { signal } = controller;
    const init = { method, headers: headers.map(([name, value]): [string, string] => [name, value]), signal };
    fetch(url, body.string === undefined ? init : { ...init, body: body.string })
      .then(async (response) => {
        this.#emit('didReceiveNetworkResponse', [id, response.status, Object.fromEntries(response.headers), url]);
        const bytes = Buffer.from(await response.arrayBuffer());
        this.#emit('didReceiveNetworkData', [id, bytes.toString(responseType === 'base64' ? 'base64' : 'utf8')]);
        this.#emit('didCompleteNetworkResponse', [id, null, false]);
      })
      .catch((error: unknown) => {
        if (!signal.aborted) this.#emit('didCompleteNetworkResponse', [id, String(error), false]);
      })
      .finally(() => this.#requests.delete(id));
  };

  readonly abortRequest = (id: number): void => this.#requests.get(id)?.abort();
  readonly clearCookies = (done: (isDone: boolean) => void): void => done(true);
  readonly addListener = (): void => {};
  readonly removeListeners = (): void => {};

  close(): void {
    for (const controller of this.#requests.values()) controller.abort();
  }
}
