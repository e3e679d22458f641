import type { Event } from '@parley/shared/event';
import { isTerminal } from '@parley/shared/terminal';

export interface CompareOptions {
  /** A spoken input was said as text: what only a recording brings about is no difference. */
  asText: boolean;
}

/**
 * A turn's events as far as they are the same however quickly things go: in order, each by its kind. Pieces of the answer that
 * follow each other are one step, since where a text is cut is the model's and the network's affair; sound is no part of an
 * export, and what comes only if there is time for it (`transcript.partial`, `agent.listening`, `speech.stop`) of none.
 */
export function stepsOf(events: readonly Event[], { asText }: CompareOptions): string[] {
  const steps: string[] = [];
  let pieces = new Set<string>();
  const flush = (): void => {
    if (pieces.size > 0) steps.push([...pieces].sort().join(' + '));
    pieces = new Set();
  };
  for (const event of events) {
    if (event.type === 'agent.delta' || event.type === 'agent.text' || event.type === 'agent.audioFailed') {
      pieces.add(event.type);
      continue;
    }
    const step = stepOf(event, asText);
    if (step === undefined) continue;
    flush();
    steps.push(step);
  }
  flush();
  return steps;
}

function stepOf(event: Event, asText: boolean): string | undefined {
  switch (event.type) {
    case 'agent.audio':
    case 'agent.listening':
    case 'transcript.partial':
    case 'speech.stop':
      return undefined;
    case 'transcript.final':
      return asText ? undefined : event.type;
    case 'turn.started':
      return asText ? event.type : `turn.started (${event.input})`;
    case 'message.saved':
      return `message.saved (${event.role}, ${event.status})`;
    case 'tool.call':
    case 'tool.result':
      return `${event.type} (${event.name})`;
    case 'turn.failed':
      return `turn.failed (${event.code})`;
    default:
      return event.type;
  }
}

/** A turn of which all events are there. */
export function isWhole(events: readonly Event[]): boolean {
  return events.some(({ type }) => type === 'turn.started') && events.some(isTerminal);
}

/** One line of a comparison: what was to come and did not (`-`), what came in its place (`+`), and what is alike. */
export interface Line {
  mark: ' ' | '-' | '+';
  text: string;
}

/** The shortest way from one list to another, by their longest common subsequence; both have some dozens of lines. */
export function difference(expected: readonly string[], came: readonly string[]): Line[] {
  const common = expected.map(() => came.map(() => 0));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = expected.length - 1; i >= 0; i--) {
    for (let j = came.length - 1; j >= 0; j--) {
      const row = common[i];
      if (row) row[j] = expected[i] === came[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < expected.length || j < came.length) {
    const [left, right] = [expected[i], came[j]];
    if (left !== undefined && left === right) {
      lines.push({ mark: ' ', text: left });
      i++;
      j++;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ mark: '-', text: left });
      i++;
    } else if (right !== undefined) {
      lines.push({ mark: '+', text: right });
      j++;
    }
  }
  return lines;
}
