import { sql } from 'kysely';
import type { Db } from './connect.ts';

/** Sends to all that `listen` to a channel. Payloads are ids; PostgreSQL takes less than 8,000 bytes. */
export async function notify(db: Db, channel: string, payload: string): Promise<void> {
  await sql`select pg_notify(${channel}, ${payload})`.execute(db);
}
