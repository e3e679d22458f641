/** Tells what is understood while a service still listens: the newest text, one telling at a time, so that none waits. */
export class Interim {
  readonly #tell: (text: string) => Promise<void>;
  #newest: string | undefined;
  #telling: Promise<void> | undefined;

  /** `tell` must not reject. */
  constructor(tell: (text: string) => Promise<void>) {
    this.#tell = tell;
  }

  push(text: string): void {
    this.#newest = text;
    this.#telling ??= this.#run();
  }

  /** Resolves when nothing more will be told. What still waits is overtaken by the final text. */
  async end(): Promise<void> {
    this.#newest = undefined;
    await this.#telling;
  }

  async #run(): Promise<void> {
    while (this.#newest !== undefined) {
      const text = this.#newest;
      this.#newest = undefined;
      await this.#tell(text);
    }
    this.#telling = undefined;
  }
}
