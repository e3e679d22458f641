import type { Db } from '@parley/db/connect';
import type { Reason } from '@parley/shared/reason';
import type { Metrics } from '@parley/shared/turn';
import type { FileStore } from '../files/port.ts';
import type { HistoryReader } from '../history/load.ts';
import type { LogStore } from '../live/port.ts';
import type { Model } from '../model/port.ts';
import type { Synthesizer } from '../speech/port.ts';
import type { ReplyOptions } from './reply.ts';

/** What is worth a line in the log: ids and numbers, never what anybody said. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What turns are counted by. */
export interface TurnMetrics {
  turnEnded(outcome: { status: string; code?: Reason | undefined; seconds: number }): void;
  firstDelta(seconds: number): void;
  modelAttempts(count: number): void;
  /** What a turn took that has been settled, the same as its `turn.metrics`. */
  measured(metrics: Metrics): void;
}

/** Everything that turns need of the rest of the server. */
export interface TurnPorts {
  db: Db;
  log: LogStore;
  history: HistoryReader;
  files: FileStore;
  model: Model;
  /** Speaks answers; none where speech is not configured. */
  synthesizer: Synthesizer | null;
  metrics: TurnMetrics;
  logger: Logger;
  /** This process among all that share the database. */
  replica: string;
  leaseMs: number;
  deadlines: Pick<ReplyOptions, 'firstTokenMs' | 'idleMs' | 'totalMs' | 'attempts' | 'backoffMs'>;
  budget: { contextTokens: number; replyTokens: number };
}
