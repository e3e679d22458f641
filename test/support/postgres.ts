import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type ConnectOptions, connect } from '@parley/db/connect';
import { type EmbeddedPostgres, startEmbedded } from '@parley/db/embedded';
import { holdFolder } from '@parley/db/embedded-lock';
import { migrate } from '@parley/db/migrate';
import type { Database } from '@parley/db/schema';
import type { Kysely } from 'kysely';
import pg from 'pg';
import { quickParent } from './quick-parent.ts';

export type Server = EmbeddedPostgres['connection'];

export interface FreshDatabase {
  db: Kysely<Database>;
  connection: Server;
  url: string;
  /** Closes `db` and removes the database. Rejects when some other connection to it was left open for 5 s. */
  drop(): Promise<void>;
}

const TEMPLATE = 'parley_template';
const FOLDER_PREFIX = 'parley-test-postgres-';

/** An empty folder for a PostgreSQL that outlives its server. Remove it when done. */
export function newDataFolder(): string {
  return fs.mkdtempSync(path.join(quickParent(), FOLDER_PREFIX));
}

/**
 * A PostgreSQL of a test's own, for tests that stop or kill it (`pid`). With `dataDir` an earlier one's data, kept at
 * `stop()`; without, a new folder that `stop()` removes. Not durable: fast, and safe against all but the machine's crash.
 */
export async function startPostgres(dataDir?: string): Promise<EmbeddedPostgres & { dataDir: string }> {
  const folder = dataDir ?? newDataFolder();
  const server = await startEmbedded({ dataDir: folder, durable: false });
  const stop = async () => {
    await server.stop();
    if (dataDir === undefined) fs.rmSync(folder, { recursive: true, force: true });
  };
  return { ...server, dataDir: folder, stop };
}

/** Makes the migrated database that `createDatabase` copies. */
export async function makeTemplate(server: Server): Promise<void> {
  await command(server, `CREATE DATABASE ${TEMPLATE}`);
  const db = connect({ ...server, database: TEMPLATE });
  try {
    await migrate(db);
  } finally {
    await db.destroy();
  }
  // A template with a session in it cannot be copied.
  await command(server, `ALTER DATABASE ${TEMPLATE} ALLOW_CONNECTIONS false`);
}

/** A new database with the whole schema and no rows, copied in some 20 ms. */
export async function createDatabase(server: Server, options: ConnectOptions = {}): Promise<FreshDatabase> {
  const database = `test_${randomUUID().replaceAll('-', '')}`;
  await command(server, `CREATE DATABASE ${database} TEMPLATE ${TEMPLATE} STRATEGY file_copy`);
  const connection = { ...server, database };
  const db = connect(connection, options);
  const drop = async () => {
    await db.destroy();
    await command(server, `DROP DATABASE ${database}`);
  };
  const url = `postgresql://${server.user}@localhost:${server.port}/${database}?host=${encodeURIComponent(server.host)}`;
  return { db, connection, url, drop };
}

async function command(server: Server, sql: string): Promise<void> {
  const client = new pg.Client(server);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Removes the folders of earlier runs that were killed before they could. */
export function sweepFolders(): void {
  for (const folder of [...new Set([os.tmpdir(), quickParent()])].flatMap(left)) {
    try {
      holdFolder(folder).release();
      fs.rmSync(folder, { recursive: true, force: true });
    } catch {
      // In use by a run at this moment, or another user's.
    }
  }
}

function left(parent: string): string[] {
  const names = fs.readdirSync(parent).filter((name) => name.startsWith(FOLDER_PREFIX));
  return names.map((name) => path.join(parent, name));
}
