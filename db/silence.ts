import pg from 'pg';

/** What the driver says when it has stopped to wait for an answer. */
const late = /^Query read timeout/;

/**
 * Ends a connection that leaves a query without an answer in time: the pool then discards it when it is given back. The query
 * is still on its way, and whoever used the connection next would find what it left behind; after a `begin` that is a transaction
 * in which all that follows is acknowledged and nothing is committed.
 */
export function endWhenSilent(client: pg.ClientBase): void {
  const { query } = client;
  const watched = (...args: unknown[]): unknown => {
    const result: unknown = Reflect.apply(query, client, args);
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      if (error instanceof Error && late.test(error.message) && client instanceof pg.Client) void client.end();
      throw error;
    });
  };
  Object.defineProperty(client, 'query', { value: watched, configurable: true });
}
