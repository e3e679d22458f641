import { randomUUID } from 'node:crypto';
import { createDatabase, makeTemplate, startPostgres, sweepFolders } from '../support/postgres.ts';

type Postgres = Awaited<ReturnType<typeof startPostgres>>;

/** The one PostgreSQL of this process, while anybody uses it. It ends with the process, also when that is killed. */
let running: { postgres: Promise<Postgres>; users: number } | undefined;

export interface Store {
  /** The URL of a database with the whole schema and no rows. */
  url: string;
  /** Removes it; with the last of them PostgreSQL ends. Rejects when a connection to it was left open. */
  drop(): Promise<void>;
}

/** A fresh database on a PostgreSQL of this process's own, in a folder that is removed at the end. */
export async function freshStore(): Promise<Store> {
  running ??= { postgres: start(), users: 0 };
  const mine = running;
  mine.users++;
  const leave = async (): Promise<void> => {
    if (--mine.users > 0) return;
    if (running === mine) running = undefined;
    await (await mine.postgres).stop();
  };
  try {
    const { connection } = await mine.postgres;
    const { url, drop } = await createDatabase(connection);
    return {
      url,
      async drop() {
        try {
          await drop();
        } finally {
          await leave();
        }
      },
    };
  } catch (error) {
    await leave().catch(() => {});
    throw error;
  }
}

async function start(): Promise<Postgres> {
  sweepFolders();
  const postgres = await startPostgres();
  try {
    await makeTemplate(postgres.connection);
    return postgres;
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

/** A secret for one server's tokens. */
export function freshSecret(): string {
  return `a secret of tests, ${randomUUID()}`;
}
