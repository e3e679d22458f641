import type { ConnectOptions } from '@parley/db/connect';
import { inject } from 'vitest';
import { createDatabase, type FreshDatabase } from './postgres.ts';

/** A database of the caller's own on the run's PostgreSQL: schema, no rows. Call `drop()` when done; it finds leaked pools. */
export function freshDatabase(options: ConnectOptions = {}): Promise<FreshDatabase> {
  return createDatabase(inject('postgres'), options);
}
