import { createLogger } from '@parley/server/boot/log';
import { createMetrics } from '@parley/server/boot/metrics';
import { describe, expect, it } from 'vitest';

/** What a logger wrote, line by line. */
function logged(use: (logger: ReturnType<typeof createLogger>) => void) {
  const lines: string[] = [];
  use(createLogger({ level: 'debug', name: 'replica-1', destination: { write: (line) => lines.push(line) } }));
  return { text: lines.join(''), lines: lines.map((line): Record<string, unknown> => JSON.parse(line)) };
}

const said = 'my mother was born in Turin';

function parseFailure(): unknown {
  try {
    return JSON.parse(`${said}"`);
  } catch (error) {
    return error;
  }
}

describe('the log', () => {
  it('carries ids, numbers and reasons', () => {
    const { lines } = logged((log) => log.info({ turnId: 't-1', tokens: 7, text: 12 }, 'turn ended'));
    expect(lines).toMatchObject([
      { level: 'info', replica: 'replica-1', turnId: 't-1', tokens: 7, text: 12, msg: 'turn ended' },
    ]);
  });

  it.each<[string, object]>([
    ['a field', { text: said }],
    ['a field within', { turn: { request: { parts: [{ type: 'text', text: said }] } } }],
    ['a header', { request: { headers: { authorization: said } } }],
    ['a request', { req: { method: 'GET', url: `/trpc/x?connectionParams=${said}`, headers: { a: said } } }],
    ['bytes', { chunk: Buffer.from(said) }],
    ['an unreadable input', { err: parseFailure() }],
    ["an error's cause", { err: new Error('failed', { cause: parseFailure() }) }],
    ["an error's own fields", { err: Object.assign(new Error('failed'), { detail: said, body: said }) }],
    ["a database's error", { err: new Error(`invalid input syntax for type uuid: "${said}"`) }],
    ['an error as text', { error: String(parseFailure()) }],
    ['a subclass', Object.assign(new (class Odd extends Error {})(`"${said}"`), {})],
  ])('does not carry what was said in %s', (_name, fields) => {
    const { text, lines } = logged((log) => {
      log.error(fields, 'failed');
      log.error(fields);
      log.child({ component: 'test' }).warn(fields, 'failed');
    });
    expect(lines).toHaveLength(3);
    for (const word of ['mother', 'born', 'Turin']) expect(text).not.toContain(word);
    expect(text).not.toContain(JSON.stringify([...Buffer.from(said)]).slice(1, -1));
  });

  it('bounds what it carries', () => {
    const { text } = logged((log) => log.info({ ids: Array(1000).fill('x'.repeat(1000)) }, 'many'));
    expect(text.length).toBeLessThan(10_000);
  });
});

describe('the metrics', () => {
  it('tell what was told', async () => {
    const { metrics, text } = createMetrics({
      subscriptions: () => 1,
      eventLogHealthy: () => false,
      databasePool: () => ({ total: 5, idle: 2, waiting: 1 }),
    });
    metrics.turnEnded({ status: 'failed', code: 'MODEL_TIMEOUT', seconds: 3 });
    metrics.turnEnded({ status: 'completed', seconds: 1 });
    metrics.firstDelta(0.002);
    metrics.modelAttempts(2);
    metrics.sockets(1);
    metrics.events(40);
    metrics.historyCache('hit');
    metrics.failed('RATE_LIMITED');
    const page = await text();
    for (const line of [
      'parley_turns_total{status="failed",code="MODEL_TIMEOUT"} 1',
      'parley_turns_total{status="completed",code=""} 1',
      'parley_turn_duration_seconds_count 2',
      'parley_first_delta_seconds_bucket{le="0.003"} 1',
      'parley_model_attempts_sum 2',
      'parley_subscriptions 1',
      'parley_sockets 1',
      'parley_events_total 40',
      'parley_history_cache_total{result="hit"} 1',
      'parley_errors_total{reason="RATE_LIMITED"} 1',
      'parley_event_log_healthy 0',
      'parley_database_connections{state="busy"} 3',
      'parley_database_connections{state="waiting"} 1',
    ]) {
      expect(page.split('\n')).toContain(line);
    }
  });
});
