import pg from 'pg';
import { type Connection, poolConfig } from './connect.ts';

export interface ListenOptions {
  channel: string;
  onNotify: (payload: string) => void;
  /** Told when listening has begun again after the connection was lost: what was sent in between is gone. */
  onResumed: () => void;
  onError: (error: Error) => void;
  /** Milliseconds that a connection may take to open, and as long again to begin to listen. Default 5 s. */
  openMs?: number;
}

/**
 * Listens to a PostgreSQL channel on a connection of its own, which is opened again, with a bounded backoff, for as long as it
 * takes. What is sent is a hint: whoever needs to know for sure looks at the rows.
 */
export async function listen(connection: Connection, options: ListenOptions): Promise<{ close(): Promise<void> }> {
  const { openMs = 5_000 } = options;
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  let failures = 0;

  async function open(): Promise<void> {
    const next = new pg.Client({
      ...poolConfig(connection),
      connectionTimeoutMillis: openMs,
      query_timeout: openMs,
      keepAlive: true,
      application_name: 'parley-listen',
    });
    let over = false;
    const lost = (error?: Error): void => {
      if (over) return;
      over = true;
      if (error) options.onError(error);
      next.end().catch(() => undefined);
      if (closed) return;
      timer = setTimeout(() => void reopen(), Math.min(100 * 2 ** failures++, 2_000));
    };
    next.on('error', lost);
    next.on('end', () => lost());
    next.on('notification', (message) => options.onNotify(message.payload ?? ''));
    try {
      await next.connect();
      await next.query(`listen ${pg.escapeIdentifier(options.channel)}`);
    } catch (error) {
      lost(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
    client = next;
    failures = 0;
    if (closed) await next.end();
  }

  async function reopen(): Promise<void> {
    try {
      await open();
      options.onResumed();
    } catch {
      // `lost` has set the timer for the next try.
    }
  }

  await open();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}
