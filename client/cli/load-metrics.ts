import type { LoadSummary } from './load-tally.ts';

/** What the server counts, as its metrics tell it. */
export interface ServerCounts {
  completed: number;
  interrupted: number;
  failed: number;
  events: number;
  /** Errors that were answered, by reason. */
  refused: Record<string, number>;
}

/** How the server's numbers have changed, and whether they are those that were counted here. */
export interface ServerComparison extends ServerCounts {
  /** Turns by how they ended are the same, and no event was received that was not counted. */
  agrees: boolean;
}

const readMs = 5_000;
/** How long the last numbers may take to be as they are here: they are counted beside what they count. Milliseconds. */
const settleMs = 3_000;

/** The server's counts now; undefined when it does not tell them. */
export async function readCounts(url: string): Promise<ServerCounts | undefined> {
  try {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(readMs) });
    const text = await response.text();
    return response.ok && text.includes('parley_turns_total') ? countsIn(text) : undefined;
  } catch {
    return undefined;
  }
}

/** Prometheus' text format: `name{label="value",…} number`. */
function countsIn(text: string): ServerCounts {
  const counts: ServerCounts = { completed: 0, interrupted: 0, failed: 0, events: 0, refused: {} };
  for (const [, name, labels = '', number] of text.matchAll(/^parley_(\w+?)(?:\{(.*)\})? (\S+)$/gm)) {
    const value = Number(number);
    const status = /status="(\w+)"/.exec(labels)?.[1];
    const reason = /reason="(\w+)"/.exec(labels)?.[1];
    if (name === 'events_total') counts.events += value;
    else if (name === 'errors_total' && reason !== undefined) counts.refused[reason] = value;
    else if (name === 'turns_total' && (status === 'completed' || status === 'interrupted' || status === 'failed'))
      counts[status] += value;
  }
  return counts;
}

/** Compares what happened since `before` with what was counted here; what is different may be other people's. */
export async function compareCounts(
  url: string,
  before: ServerCounts,
  { turns, events }: LoadSummary,
): Promise<ServerComparison | undefined> {
  const until = performance.now() + settleMs;
  for (;;) {
    const now = await readCounts(url);
    if (!now) return undefined;
    const change = {
      completed: now.completed - before.completed,
      interrupted: now.interrupted - before.interrupted,
      failed: now.failed - before.failed,
      events: now.events - before.events,
    };
    const agrees =
      change.completed === turns.completed &&
      change.interrupted === turns.interrupted &&
      change.failed === turns.failed &&
      change.events >= events;
    if (agrees || performance.now() > until) {
      const refused = Object.entries(now.refused).map(([reason, count]) => [
        reason,
        count - (before.refused[reason] ?? 0),
      ]);
      return { ...change, refused: Object.fromEntries(refused.filter(([, count]) => count !== 0)), agrees };
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
