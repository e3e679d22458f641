import type { Reason } from '@parley/shared/reason';
import type { Metrics as TurnMetrics } from '@parley/shared/turn';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the rest of the server tells of itself. Nothing here takes a tenant's or a user's name: no label may tell of them. */
export interface Metrics {
  turnEnded(outcome: { status: string; code?: Reason | undefined; seconds: number }): void;
  firstDelta(seconds: number): void;
  modelAttempts(count: number): void;
  /** What a turn took. Of its service's name only the provider is told, of which there are few. */
  measured(turn: TurnMetrics): void;
  /** `change`: 1 when one opens, -1 when it closes. */
  sockets(change: 1 | -1): void;
  events(count: number): void;
  historyCache(result: 'hit' | 'miss'): void;
  /** An error that was answered. */
  failed(reason: Reason): void;
}

/** What is looked at when the numbers are asked for. */
export interface Observed {
  /** Whether the event log's store can be reached. */
  eventLogHealthy?: () => boolean;
  databasePool?: () => { total: number; idle: number; waiting: number };
  /** Open subscriptions. */
  subscriptions?: () => number;
}

export interface MetricsPage {
  metrics: Metrics;
  contentType: string;
  /** The numbers as Prometheus' text. */
  text(): Promise<string>;
}

const quick = [0.001, 0.003, 0.005, 0.015, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20];
const long = [0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300];

/** `process`: whether to tell of the process too (memory, event loop, garbage collection). */
export function createMetrics(observed: Observed = {}, options: { process?: boolean } = {}): MetricsPage {
  const registry = new Registry();
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Counter({ name: `parley_${name}`, help, labelNames, registers });
  const histogram = <Label extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: Label[] = [],
  ) => new Histogram({ name: `parley_${name}`, help, buckets, labelNames, registers });
  const gauge = (name: string, help: string) => new Gauge({ name: `parley_${name}`, help, registers });

  const turns = counter('turns_total', 'Turns that ended, by status and code.', ['status', 'code']);
  const duration = histogram('turn_duration_seconds', 'From acceptance to the end of a turn.', long);
  const first = histogram('first_delta_seconds', 'From acceptance to the first text of an answer.', quick);
  const sentence = histogram(
    'first_sentence_seconds',
    'From acceptance to the first whole sentence of an answer.',
    quick,
  );
  const audio = histogram('first_audio_seconds', 'From acceptance to the first sound of an answer.', quick);
  const stt = histogram('stt_seconds', 'What transcribing one spoken input took, all its segments together.', quick, [
    'provider',
  ]);
  const tts = histogram('tts_seconds', 'From the first sentence of an answer to its last sound.', long, ['provider']);
  const attempts = histogram('model_attempts', 'How often a model was asked for one answer.', [1, 2, 3, 5, 10]);
  const sockets = gauge('sockets', 'Open WebSockets.');
  const events = counter('events_total', 'Events that were appended to the log.', []);
  const cache = counter('history_cache_total', 'Reads of the history cache, by result.', ['result']);
  const errors = counter('errors_total', 'Errors that were answered, by reason.', ['reason']);

  const { eventLogHealthy, databasePool, subscriptions } = observed;
  if (subscriptions) {
    new Gauge({
      name: 'parley_subscriptions',
      help: 'Open subscriptions.',
      registers,
      collect() {
        this.set(subscriptions());
      },
    });
  }
  if (eventLogHealthy) {
    new Gauge({
      name: 'parley_event_log_healthy',
      help: "1 while the event log's store can be reached.",
      registers,
      collect() {
        this.set(eventLogHealthy() ? 1 : 0);
      },
    });
  }
  if (databasePool) {
    new Gauge({
      name: 'parley_database_connections',
      help: 'Connections to PostgreSQL, and queries that wait for one.',
      labelNames: ['state'],
      registers,
      collect() {
        const { total, idle, waiting } = databasePool();
        this.set({ state: 'busy' }, total - idle);
        this.set({ state: 'idle' }, idle);
        this.set({ state: 'waiting' }, waiting);
      },
    });
  }
  if (options.process) collectDefaultMetrics({ register: registry });

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    metrics: {
      turnEnded({ status, code, seconds }) {
        turns.inc({ status, code: code ?? '' });
        duration.observe(seconds);
      },
      firstDelta: (seconds) => first.observe(seconds),
      modelAttempts: (count) => attempts.observe(count),
      measured(turn) {
        if (turn.firstSentenceMs !== undefined) sentence.observe(turn.firstSentenceMs / 1000);
        if (turn.firstAudioMs !== undefined) audio.observe(turn.firstAudioMs / 1000);
        if (turn.sttMs !== undefined) stt.observe({ provider: providerOf(turn.stt) }, turn.sttMs / 1000);
        if (turn.ttsMs !== undefined) tts.observe({ provider: providerOf(turn.tts) }, turn.ttsMs / 1000);
      },
      sockets: (change) => sockets.inc(change),
      events: (count) => events.inc(count),
      historyCache: (result) => cache.inc({ result }),
      failed: (reason) => errors.inc({ reason }),
    },
  };
}

/** Of `<provider>/<model>`. */
function providerOf(service = ''): string {
  return service.split('/', 1)[0] ?? '';
}
