import type { Position } from './port.ts';

/**
 * An event's id as clients see it: `<epoch>-<seq>`, where epoch is in microseconds (16 digits until the year 2286) and
 * seq has ten digits, so that ids of one conversation sort as text. Seq 0 is the place before an epoch's first event.
 */
export function eventId(epoch: number, seq: number): string {
  return `${String(epoch).padStart(16, '0')}-${String(seq).padStart(10, '0')}`;
}

/** The position that an id names; undefined for anything that `eventId` would not have made. */
export function parseEventId(text: string): Position | undefined {
  if (!/^\d{16}-\d{10}$/.test(text)) return undefined;
  const dash = text.indexOf('-');
  const position = { epoch: Number(text.slice(0, dash)), seq: Number(text.slice(dash + 1)) };
  return eventId(position.epoch, position.seq) === text ? position : undefined;
}
