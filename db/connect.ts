import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import { prepareStatements, StatementNames } from './prepared.ts';
import type { Database } from './schema.ts';
import { endWhenSilent } from './silence.ts';

/** The database, or a transaction in it. */
export type Db = Kysely<Database>;
export type Trx = Transaction<Database>;

/** How to reach PostgreSQL: a URL, or the parts of one (a unix socket's folder is a host). */
export type Connection = string | { host: string; user: string; database: string; port?: number; password?: string };

export interface ConnectOptions {
  /** Connections in the pool. */
  poolSize?: number;
  /** Milliseconds that a query may wait for a free connection. */
  acquireMs?: number;
  /** Milliseconds that one statement may run. */
  statementMs?: number;
  /** Milliseconds after which an answer is waited for no longer, and its connection is given up. Default 1 s more than `statementMs`. */
  answerMs?: number;
  /** Given a way to look at the pool, for metrics. */
  onPool?: (look: () => { total: number; idle: number; waiting: number }) => void;
  /** Told of errors on idle connections, such as a restart of the server. */
  onIdleError?: (error: Error) => void;
}

export function poolConfig(connection: Connection): pg.PoolConfig {
  return typeof connection === 'string' ? { connectionString: connection } : connection;
}

/**
 * Milliseconds that a transaction may wait for its next statement. A process that is stopped within one would hold its locks
 * for as long: the database ends it well before a lease runs out, and whoever takes over does not wait behind it.
 */
const idleTransactionMs = 5_000;

/**
 * A pool of connections. `destroy()` closes them.
 * Waiting for a connection and running a statement are both bounded, so that a database that hangs is an error, not silence.
 */
export function connect(connection: Connection, options: ConnectOptions = {}): Kysely<Database> {
  const statementMs = options.statementMs ?? 15_000;
  const pool = new pg.Pool({
    ...poolConfig(connection),
    max: options.poolSize ?? 10,
    connectionTimeoutMillis: options.acquireMs ?? 5_000,
    statement_timeout: statementMs,
    query_timeout: options.answerMs ?? statementMs + 1_000,
    idle_in_transaction_session_timeout: idleTransactionMs,
    keepAlive: true,
    application_name: 'parley',
  });
  // Without a listener an error on an idle connection would end the process.
  pool.on('error', (error) => options.onIdleError?.(error));
  options.onPool?.(() => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }));
  // So would one on a connection that is in use; the query that it breaks rejects anyway.
  const names = new StatementNames();
  pool.on('connect', (client) => {
    client.on('error', () => undefined);
    endWhenSilent(client);
    prepareStatements(client, names);
  });
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}
