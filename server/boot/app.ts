import { type Connection, connect, type Db } from '@parley/db/connect';
import { listen } from '@parley/db/listen';
import { migrate } from '@parley/db/migrate';
import { loadHistory } from '@parley/db/repository/message';
import { newId } from '@parley/shared/id';
import { limits, protocolVersions } from '@parley/shared/limits';
import { audioFormats } from '@parley/shared/voice';
import { Credentials } from '../account/principal.ts';
import { Rates } from '../account/rate.ts';
import { verifiersFor } from '../account/token.ts';
import { makeFileStore } from '../files/registry.ts';
import { FileSweep } from '../files/sweep.ts';
import { HistoryReader } from '../history/load.ts';
import { MemoryHistory } from '../history/memory.ts';
import { type HistoryCache, historyMessages } from '../history/port.ts';
import { RedisHistory } from '../history/redis.ts';
import { Feed } from '../live/feed.ts';
import { MemoryLog } from '../live/memory.ts';
import type { LogStore } from '../live/port.ts';
import { RedisLog } from '../live/redis.ts';
import { type RedisConnections, redisConnections } from '../live/redis-connect.ts';
import { makeModel } from '../model/registry.ts';
import type { App } from '../rpc/context.ts';
import { turnChannel } from '../turn/interrupt.ts';
import type { Logger, TurnPorts } from '../turn/ports.ts';
import { TurnRunner } from '../turn/runner.ts';
import { Takeover } from '../turn/takeover.ts';
import { warmTokens } from '../turn/token.ts';
import type { Config } from './config.ts';
import { metered } from './metered.ts';
import { createMetrics, type MetricsPage } from './metrics.ts';
import { assembleSpeech } from './voice.ts';
import { Warming } from './warm.ts';

/** The version of this build; the same as the packages'. */
export const version = '0.1.0';

export interface Running {
  app: App;
  metrics: MetricsPage;
  /** Rejects with what is not well. */
  checkReady(): Promise<void>;
  /** No new turns; running ones end or are handed over within the configured time. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Wires a server together: the only place that names implementations. `connection` is where its PostgreSQL is. */
export async function assemble(config: Config, connection: Connection, logger: Logger): Promise<Running> {
  const replica = newId();
  let databasePool: PoolLook | undefined;
  const db = connect(connection, {
    poolSize: config.poolSize,
    onPool: (look) => {
      databasePool = look;
    },
    onIdleError: (error) => logger.warn({ error: error.name }, 'database connection lost'),
  });
  const redis = config.redisUrl === undefined ? undefined : redisConnections(config.redisUrl);
  try {
    await migrate(db);
    return await wire(config, connection, logger, { replica, db, redis, databasePool });
  } catch (error) {
    await redis?.close();
    await db.destroy();
    throw error;
  }
}

interface Stores {
  replica: string;
  db: Db;
  redis: RedisConnections | undefined;
  databasePool: PoolLook | undefined;
}

type PoolLook = () => { total: number; idle: number; waiting: number };

async function wire(
  config: Config,
  connection: Connection,
  logger: Logger,
  { replica, db, redis, databasePool }: Stores,
): Promise<Running> {
  const onState = (lost: Error | undefined): void => {
    if (lost) logger.warn({ error: lost.name }, 'Redis lost');
    else logger.info({}, 'Redis is back');
  };
  const store: LogStore = redis ? new RedisLog(redis, { onState }) : new MemoryLog();
  const feed = new Feed(store);
  const page = createMetrics(
    {
      eventLogHealthy: () => store.healthy(),
      subscriptions: () => feed.size,
      ...(databasePool && { databasePool }),
    },
    { process: true },
  );
  const log = metered(store, (events) => page.metrics.events(events));
  const near: HistoryCache = new MemoryHistory();
  const history = new HistoryReader({
    caches: redis ? [near, new RedisHistory(redis.command)] : [near],
    load: (id) => loadHistory(db, id, historyMessages),
    onRead: (hit) => page.metrics.historyCache(hit ? 'hit' : 'miss'),
  });
  const speech = assembleSpeech(config);
  const model = makeModel(config.llm);
  const files = await makeFileStore(config.storage);
  const turns: TurnPorts = {
    db,
    log,
    history,
    files,
    model,
    synthesizer: speech.synthesizer,
    metrics: page.metrics,
    logger,
    replica,
    leaseMs: config.leaseMs,
    deadlines: config.model,
    budget: config.model,
  };
  const runner = new TurnRunner(turns);
  const takeover = new Takeover(turns, runner);
  const sweep = new FileSweep({ db, files, logger });
  const voice = speech.voice(turns, runner);
  const credentials = new Credentials({
    db,
    verifiers: await verifiersFor(config.auth.trust),
    provision: config.auth.provision,
  });
  const rates = new Rates(config.rates, redis?.command);
  const listener = await listen(connection, {
    channel: turnChannel,
    onNotify: (payload) => {
      const [kind, id] = payload.split(' ');
      if (!id) return;
      if (kind === 'interrupt' || kind === 'deleted') void runner.stop(id, kind);
      else if (kind === 'hush') runner.hush(id);
      else if (kind === 'gone') voice.ports.deletions.deleted(id);
    },
    // What was asked for while nobody listened is on the rows.
    onResumed: () => void runner.leases.renew(),
    onError: (error) => logger.warn({ error: error.name }, 'notifications lost'),
  });
  // The first turn should not wait for the tokenizer's tables.
  warmTokens();
  await takeover.start({ alone: config.database.mode === 'embedded', ownLog: redis === undefined });
  sweep.start();
  const warming = new Warming(speech.warm, logger);

  let draining = false;
  const app: App = {
    db,
    turns,
    runner,
    voice,
    feed,
    credentials,
    rates,
    version,
    draining: () => draining,
    capabilities: {
      llm: { name: model.name, model: model.model, ...(model.description && { description: model.description }) },
      ...speech.providers,
      audio: { in: [...audioFormats], out: ['pcm_s16le'] },
      limits: { ...limits },
      protocolVersions: [...protocolVersions],
    },
  };

  return {
    app,
    metrics: page,
    async checkReady() {
      if (draining) throw new Error('draining');
      if (!log.healthy()) throw new Error('the event log cannot be reached');
      // The log learns that Redis is gone only when it is used.
      await redis?.command.ping();
      await db.selectFrom('tenants').select('id').limit(1).execute();
    },
    async drain() {
      draining = true;
      const patience = AbortSignal.timeout(config.drainMs);
      const late = new Promise<void>((resolve) => patience.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([takeover.stop().then(() => runner.idle()), late]);
      await runner.leave();
    },
    async close() {
      draining = true;
      warming.close();
      feed.endAll();
      await takeover.stop();
      await voice.close();
      await runner.leave();
      await speech.close();
      await listener.close();
      await sweep.stop();
      await files.close();
      await credentials.close();
      await log.close();
      await history.close();
      await redis?.close();
      await db.destroy();
    },
  };
}
