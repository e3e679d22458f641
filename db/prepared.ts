import type pg from 'pg';

/** Statements that a connection keeps prepared. Parley has some hundred; lists of ids make a few more. */
const most = 300;

/** Names of statements by their text, the same on every connection of a pool. */
export class StatementNames {
  readonly #names = new Map<string, string>();
  #generation = 0;

  /** None once there are too many: such a statement is parsed each time. */
  of(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= most) return known;
    const name = `parley_${this.#generation}_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }

  /** From now on everything is prepared anew. */
  renew(): void {
    this.#generation++;
    this.#names.clear();
  }
}

/** PostgreSQL refuses a plan whose table a migration has altered since. */
function isStale(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '0A000' && /cached plan/.test(error.message);
}

/**
 * Has a connection parse and plan each statement with parameters once: for statements as short as Parley's that is a third of
 * their time. One whose plan a migration has made useless fails, and is prepared anew the next time.
 */
export function prepareStatements(client: pg.ClientBase, names: StatementNames): void {
  const { query } = client;
  const named = (...args: unknown[]): unknown => {
    const [text, values] = args;
    if (typeof text !== 'string' || !Array.isArray(values) || values.length === 0 || args.length > 2)
      return Reflect.apply(query, client, args);
    const result: unknown = Reflect.apply(query, client, [{ text, values, name: names.of(text) }]);
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      if (isStale(error)) names.renew();
      throw error;
    });
  };
  Object.defineProperty(client, 'query', { value: named });
}
