import type { Event, Tracked } from '@parley/shared/event';
import { textOf } from '@parley/shared/message';

/** Events that a failure lists at most, the last ones. */
const mostListed = 60;

/** What was waited for did not come. The message lists what did. */
export class NotSeen extends Error {
  override readonly name = 'NotSeen';

  /** @param startedAt When following began, in milliseconds since the epoch. */
  constructor(what: string, why: string, seen: readonly Tracked[], startedAt: number) {
    const left = seen.length - mostListed;
    const lines = seen.slice(-mostListed).map(({ data }) => lineOf(data, startedAt));
    if (left > 0) lines.unshift(`  … and ${left} before them`);
    super(`${what} did not come: ${why}. ${seen.length === 0 ? 'Nothing came.' : 'What came:'}\n${lines.join('\n')}`);
  }
}

function lineOf(event: Event, startedAt: number): string {
  const seconds = ((event.at - startedAt) / 1000).toFixed(3).padStart(8);
  const turn = 'turnId' in event && event.turnId !== undefined ? `…${event.turnId.slice(-4)}` : '     ';
  return `  ${seconds} s ${turn} ${event.type.padEnd(19)} ${about(event)}`.trimEnd();
}

/** What of an event tells it from others of its kind. */
function about(event: Event): string {
  switch (event.type) {
    case 'turn.started':
      return event.input;
    case 'message.saved':
      return `${event.role}, ${event.status}: ${short(textOf(event.parts))}`;
    case 'agent.delta':
    case 'transcript.partial':
    case 'transcript.final':
      return short(event.text);
    case 'agent.text':
      return `sentence ${event.sentence}: ${short(event.text)}`;
    case 'agent.audio':
      return `sentence ${event.sentence}, chunk ${event.chunk}, ${event.data.length} bytes`;
    case 'turn.failed':
      return `${event.code}: ${event.message}`;
    case 'gap':
      return event.reason;
    default:
      return '';
  }
}

function short(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);
}
