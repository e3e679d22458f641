import type { Event } from '@parley/shared/event';
import type { Reason } from '@parley/shared/reason';
import { type DurationSummary, Histogram } from './load-histogram.ts';

/** What is measured, from the moment at which something is sent. */
const durations = {
  segment: 'segment taken',
  ack: 'turn taken',
  transcript: 'transcript',
  firstDelta: 'first delta',
  firstAudio: 'first sound',
  end: 'end of turn',
} as const;
export type Duration = keyof typeof durations;

/** What all users together did and saw. Its size does not depend on how much that is. */
export class Tally {
  readonly #histograms = new Map<Duration, Histogram>();
  readonly #refused = new Map<Reason, number>();
  readonly #failed = new Map<Reason, number>();
  /** Users whose connections are open. */
  users = 0;
  /** Turns that were sent, and that the server took. */
  sent = 0;
  taken = 0;
  completed = 0;
  interrupted = 0;
  /** Turns of which nobody knows what became, since the way to the server broke. */
  lost = 0;
  /** Turns that had not ended when their time was over. */
  unfinished = 0;
  /** Turns that could not begin when they were due, since the one before them went on. */
  late = 0;
  segments = 0;
  events = 0;
  soundBytes = 0;

  get failed(): number {
    return sum(this.#failed);
  }

  get refused(): number {
    return sum(this.#refused);
  }

  get ended(): number {
    return this.completed + this.interrupted + this.failed;
  }

  measure(what: Duration, ms: number): void {
    const histogram = this.#histograms.get(what) ?? new Histogram();
    this.#histograms.set(what, histogram);
    histogram.add(ms);
  }

  refuse(reason: Reason): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  fail(code: Reason): void {
    this.#failed.set(code, (this.#failed.get(code) ?? 0) + 1);
  }

  saw(event: Event): void {
    // A gap is made for one subscriber: it is in nobody's log.
    if (event.type !== 'gap') this.events++;
    if (event.type === 'agent.audio') this.soundBytes += event.data.length;
  }

  summary(seconds: number): LoadSummary {
    const { users, sent, taken, completed, interrupted, failed, lost, unfinished, late } = this;
    return {
      users,
      seconds: Math.round(seconds * 10) / 10,
      turns: { sent, taken, completed, interrupted, failed, refused: this.refused, lost, unfinished, late },
      turnsPerSecond: rate(this.ended, seconds),
      events: this.events,
      eventsPerSecond: rate(this.events, seconds),
      segments: this.segments,
      soundBytes: this.soundBytes,
      refused: Object.fromEntries(this.#refused),
      failed: Object.fromEntries(this.#failed),
      milliseconds: Object.fromEntries([...this.#histograms].map(([what, histogram]) => [what, histogram.summary()])),
    };
  }
}

export interface LoadSummary {
  users: number;
  seconds: number;
  turns: Record<
    'sent' | 'taken' | 'completed' | 'interrupted' | 'failed' | 'refused' | 'lost' | 'unfinished' | 'late',
    number
  >;
  turnsPerSecond: number;
  events: number;
  eventsPerSecond: number;
  segments: number;
  soundBytes: number;
  /** How often each reason was the answer to what was sent. */
  refused: Record<string, number>;
  /** By code, of turns that failed. */
  failed: Record<string, number>;
  milliseconds: Partial<Record<Duration, DurationSummary>>;
}

function sum(counts: ReadonlyMap<Reason, number>): number {
  return [...counts.values()].reduce((all, count) => all + count, 0);
}

function rate(count: number, seconds: number): number {
  return seconds > 0 ? Math.round((count / seconds) * 10) / 10 : 0;
}

const columns = ['count', 'p50', 'p95', 'p99', 'max'] as const;

/** A summary as a table of some twelve lines. */
export function table({ milliseconds, turns, ...summary }: LoadSummary): string {
  const row = (name: string, cells: readonly string[]): string =>
    `${name.padEnd(14)}${cells.map((cell) => cell.padStart(11)).join('')}`;
  const measured = (Object.keys(durations) as Duration[]).flatMap((what) => {
    const values = milliseconds[what];
    if (!values) return [];
    return [
      row(
        durations[what],
        columns.map((name) => (name === 'count' ? String(values.count) : time(values[name]))),
      ),
    ];
  });
  const counts = (of: Record<string, number>): string =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  return [
    row('', columns),
    ...measured,
    `turns         ${counts(turns)}`,
    `rates         ${summary.turnsPerSecond} turns/s, ${summary.eventsPerSecond} events/s of ${summary.events} events`,
    ...(summary.segments > 0
      ? [`sound         ${summary.segments} segments sent, ${(summary.soundBytes / 1e6).toFixed(1)} MB heard`]
      : []),
    ...(turns.refused > 0 ? [`refused       ${counts(summary.refused)}`] : []),
    ...(turns.failed > 0 ? [`failed        ${counts(summary.failed)}`] : []),
  ].join('\n');
}

function time(ms: number): string {
  return ms < 100 ? `${ms.toFixed(1)} ms` : ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
